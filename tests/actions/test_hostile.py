"""The Action beside files, wheels and variables that want to run: nothing but its own pinned files does, and the deploy succeeds.

Each hostile file writes down its environment when it is run, whatever runs it. The folder that they write to must stay empty, so
that none of them can have read a token, a kubeconfig or a key. Where act differs from GitHub is in standins/README.md.
"""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from actions.act import Run
from actions.world import SITE, World, caller, documented, steps, write

# Modules of Python's library, of libraries of bump, of pip and of bump itself, and what Python runs at its start.
_MODULES = (
    "action/__init__", "action/environment", "azure/__init__", "bumper/__init__", "bumper/__main__", "bumper/cli",
    "email/__init__", "encodings/__init__", "ensurepip", "git", "hashlib", "importlib/__init__", "logging", "os",
    "pip/__init__", "pip/__main__", "runpy", "secrets", "shutil", "site", "sitecustomize", "ssl", "subprocess", "tempfile",
    "usercustomize", "venv", "setup", "bump/action/start",
)  # fmt: skip
_PROGRAMS = (
    "az",
    "git",
    "python3",
    "docker-credential-trap",
    "bin/git",
    "bin/git-remote-http",
    "env.sh",
)
_CONFIGURATIONS = (
    ".bashrc", ".curlrc", ".gitattributes", ".gitconfig", ".gitmodules", ".mailmap", ".netrc", "xdg/git/config",
    ".config/pip/pip.conf", ".pydistutils.cfg", ".python-version", "openssl.cnf", "pip.conf", "pip.ini", "pyproject.toml",
    "pyvenv.cfg", "requirements.txt", "setup.cfg", "trap.pth", "bump/action.yml",
)  # fmt: skip

CANARY = "canary-of-the-apps-key"


@dataclass(frozen=True)
class Trap:
    """A folder in which each hostile file leaves what it saw."""

    folder: Path

    def module(self, name: str) -> str:
        return (
            "import os as _o, sys as _s\n"
            f"_p = {str(self.folder)!r} + '/' + {name.replace('/', '.')!r} + '.' + str(_o.getpid())\n"
            "open(_p, 'w').write(repr((_s.argv, dict(_o.environ))))\n"
        )

    def script(self, name: str) -> str:
        return f'#!/bin/sh\nenv > "{self.folder}/{name.replace("/", ".")}.$$"\nexit 1\n'

    def command(self, name: str) -> str:
        return f"env > {self.folder}/{name}"

    def seen(self) -> dict[str, str]:
        return {path.name: path.read_text()[:2000] for path in sorted(self.folder.iterdir())}


@pytest.fixture
def trap(tmp_path: Path) -> Trap:
    folder = tmp_path / "trap"
    folder.mkdir()
    return Trap(folder)


def hostile(trap: Trap) -> dict[str, str]:
    """Files of a site that run when something imports, sources, reads or finds them."""
    configurations = {
        ".bashrc": trap.command("bashrc"),
        ".gitattributes": "* filter=trap diff=trap merge=trap\n",
        ".gitconfig": _git_configuration(trap),
        ".gitmodules": '[submodule "x"]\n\tpath = x\n\turl = ext::sh -c env% >%&2\n',
        ".netrc": "default login nobody password nothing\n",
        ".pydistutils.cfg": "[install]\ninstall_lib = /nowhere\n",
        ".python-version": "2.7.18\n",
        "openssl.cnf": "openssl_conf = x\n[x]\nengines = y\n[y]\nz = w\n[w]\ndynamic_path = /nowhere/trap.so\ninit = 1\n",
        "xdg/git/config": _git_configuration(trap),
        "pyvenv.cfg": "home = /nowhere\n",
        "trap.pth": f"import os; os.system({trap.command('pth')!r})\n",
        "bump/action.yml": "runs:\n  using: composite\n  steps:\n    - shell: bash\n      run: "
        f"{trap.command('action.yml')}\n",
    }
    pip = "[global]\nno-binary = :all:\nindex-url = http://127.0.0.1:9/simple\n"
    configurations |= dict.fromkeys(("pip.conf", "pip.ini", ".config/pip/pip.conf"), pip)
    # A bare repository in the root of the workspace, with a configuration of its own.
    bare = {
        "HEAD": "ref: refs/heads/main\n",
        "config": _git_configuration(trap),
        "objects/x": "",
        "refs/x": "",
    }
    return {
        **{f"{name}.py": trap.module(name) for name in _MODULES},
        **{name: trap.script(name) for name in _PROGRAMS},
        **configurations,
        **bare,
    }


def harmless() -> dict[str, str]:
    """Files of the same names that mean nothing by it: empty ones."""
    modules = {f"{name}.py": "" for name in _MODULES if not name.startswith("bump/")}
    return {**modules, **{name: "" for name in _CONFIGURATIONS if not name.startswith("bump/")}}


def _git_configuration(trap: Trap) -> str:
    run = trap.command("git")
    return (
        f'[core]\n\tbare = true\n\tfsmonitor = "{run}"\n\tsshCommand = "{run}"\n\taskPass = "{trap.folder.parent}/ask"\n'
        f'[credential]\n\thelper = "!{run}"\n[alias]\n\tversion = "!{run}"\n[http]\n\tproxy = http://127.0.0.1:9\n'
    )


def variables(trap: Trap) -> dict[str, str]:
    """What an earlier step may leave in GITHUB_ENV; W is the workspace."""
    function = f"() {{ {trap.command('function')}; }}"
    return {
        **{f"BASH_FUNC_{name}%%": function for name in ("cd", "echo", "exit", "shopt", "printf", "type", "read")},
        "BASH_ENV": "W/env.sh", "ENV": "W/env.sh", "SHELLOPTS": "xtrace", "PS4": f"$({trap.command('ps4')})",
        "LD_PRELOAD": "/nowhere/trap.so", "LD_AUDIT": "/nowhere/trap.so", "LD_LIBRARY_PATH": "W",
        "PYTHONPATH": "W", "PYTHONHOME": "W", "PYTHONUSERBASE": "W", "PYTHONSTARTUP": "W/secrets.py",
        "PYTHONPLATLIBDIR": "W", "PYTHONPYCACHEPREFIX": "W", "PYTHONBREAKPOINT": "secrets.x", "PYTHONWARNINGS": "error::secrets.X",
        "PYTHONINSPECT": "1", "PYTHONEXECUTABLE": "W/python3",
        "PIP_CONFIG_FILE": "W/pip.conf", "PIP_NO_BINARY": ":all:", "PIP_REQUIREMENT": "W/requirements.txt",
        "PIP_TARGET": "W/target", "PIP_PYTHON": "W/python3", "PIP_FIND_LINKS": "W", "PIP_LOG": f"{trap.folder}/pip-log",
        "GIT_CONFIG_COUNT": "2", "GIT_CONFIG_KEY_0": "credential.helper", "GIT_CONFIG_VALUE_0": f"!{trap.command('helper')}",
        "GIT_CONFIG_KEY_1": "core.fsmonitor", "GIT_CONFIG_VALUE_1": trap.command("fsmonitor"),
        "GIT_CONFIG_GLOBAL": "W/.gitconfig", "GIT_CONFIG_SYSTEM": "W/.gitconfig",
        "GIT_CONFIG_PARAMETERS": f"'alias.fetch=!{trap.command('alias')}'",
        "GIT_SSH_COMMAND": "W/env.sh", "GIT_SSH": "W/env.sh", "GIT_ASKPASS": "W/env.sh", "SSH_ASKPASS": "W/env.sh",
        "GIT_EXEC_PATH": "W/bin", "GIT_DIR": "W", "GIT_WORK_TREE": "W", "GIT_TEMPLATE_DIR": "W", "GIT_PROXY_COMMAND": "W/env.sh",
        "GIT_TRACE_CURL": f"{trap.folder}/curl", "GIT_TRACE_REDACT": "0", "GIT_TRACE2_EVENT": f"{trap.folder}/trace2",
        "GIT_PYTHON_GIT_EXECUTABLE": "W/bin/git", "GIT_PYTHON_TRACE": "full", "GIT_SSL_NO_VERIFY": "1",
        "HOME": "W", "XDG_CONFIG_HOME": "W/xdg", "NETRC": "W/.netrc", "CURL_HOME": "W",
        "SSLKEYLOGFILE": f"{trap.folder}/keys", "OPENSSL_CONF": "W/openssl.cnf", "OPENSSL_MODULES": "W", "OPENSSL_ENGINES": "W",
        "GCONV_PATH": "W", "PERL5LIB": "W", "PERL5OPT": "-Mtrap", "CDPATH": "W",
    }  # fmt: skip


def after(names: Mapping[str, str], text: str) -> str:
    """The step `text` behind one that leaves these variables to it, and the workspace itself on the PATH, as `.`."""
    lines = "".join(f"    {name}={value}\n" for name, value in names.items())
    return (
        '- run: |\n    sed "s|\\bW\\b|$PWD|g" >> "$GITHUB_ENV" << \'END\'\n'
        + lines
        + '    END\n    echo . >> "$GITHUB_PATH"\n'
        + text
    )


def deployed(world: World, checkout: Path, sha: str, programs: Path | None = None) -> Run:
    run = world.run(checkout, programs=programs)
    assert run.code == 0, run.log
    assert run.outputs("bump")["outcome"] == "ready"
    assert world.wanted(SITE) == sha[:7]
    world.is_clean(run)
    return run


def test_no_file_of_the_site_is_run_by_the_workflow(world: World, trap: Trap, tmp_path: Path) -> None:
    """`az` and `docker` are played: what they are asked is what the workflow says, and the site's folder is what is sent."""
    for name in ("az", "docker"):
        write(tmp_path / "programs" / name, f'#!/bin/sh\necho "$PWD" "$@" >> {tmp_path}/{name}\n')
    checkout, sha = world.site(caller(world, build="true"), hostile(trap))
    deployed(world, checkout, sha, tmp_path / "programs")
    assert trap.seen() == {}
    workspace, *asked = (tmp_path / "docker").read_text().split()
    assert asked[:3] == ["buildx", "build", "--push"]
    assert asked[-1] == "site/."
    assert (tmp_path / "az").read_text() == f"{workspace} acr login --name kevinryanacr\n"


def test_no_file_of_the_site_is_run_by_the_action(world: World, trap: Trap) -> None:
    """With an App's key in the environment, too, which this run has no use for."""
    inputs = {"app-id": '"1"', "app-private-key": CANARY}
    checkout, sha = world.site(steps("push", documented(1, **inputs)), hostile(trap))
    run = deployed(world, checkout, sha)
    assert trap.seen() == {}
    # act prints the inputs of a step where GitHub masks what is a secret: what is printed behind that is ours.
    assert CANARY not in "".join([run.summary, *world.comments(), *run.outputs("bump").values()])


def test_files_that_are_called_like_modules_and_configurations_are_in_nobodys_way(world: World) -> None:
    checkout, sha = world.site(steps("push", documented(1)), harmless())
    deployed(world, checkout, sha)


def test_no_variable_of_an_earlier_step_runs_or_shows_anything(world: World, trap: Trap) -> None:
    workflow = steps("push", after(variables(trap), documented(1)))
    checkout, sha = world.site(workflow[: workflow.index("      - if: always()")], hostile(trap))
    run = deployed(world, checkout, sha)
    assert trap.seen() == {}
    # The loader complains of what it was told to load and could not.
    assert "cannot be preloaded" not in run.log
    assert "bump: not used from the environment: BASH_" in run.log


def test_wheels_that_somebody_changed_are_not_used(world: World, trap: Trap) -> None:
    deployed(world, *world.site(steps("push", documented(1))))
    (kept,) = world.wheels.iterdir()
    _poison(kept, trap)
    run = deployed(world, *world.site(steps("push", documented(1))))
    assert "are not those of requirements.txt and are not used: downloading them anew" in run.log
    assert trap.seen() == {}
    again = deployed(world, *world.site(steps("push", documented(1))))
    assert "bump: libraries from the wheels that this machine kept" in again.log


def _poison(kept: Path, trap: Trap) -> None:
    (wheel,) = kept.glob("httpx-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    files["httpx/__init__.py"] = trap.module("httpx").encode()
    files["trap.pth"] = f"import os; os.system({trap.command('pth')!r})\n".encode()
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    shutil.copy(wheel, kept / wheel.name.replace("-py3-", "-2-py3-"))
    for name in ("sitecustomize", "httpx", "secrets"):
        (kept / f"{name}.py").write_text(trap.module(name))
    (kept / ".complete").touch()


def test_the_trap_sees_what_is_run(trap: Trap, tmp_path: Path) -> None:
    """Else an empty trap would prove nothing."""
    site = tmp_path / "site"
    for name, text in hostile(trap).items():
        write(site / name, text)
    environ = {"PATH": os.environ["PATH"], "BUMP_TOKEN": "canary"}
    subprocess.run([sys.executable, "-m", "bumper"], cwd=site, env=environ, check=False)
    subprocess.run(["sh", site / "env.sh"], env=environ, check=False)
    assert {name.rpartition(".")[0] for name in trap.seen()} >= {"bumper.__init__", "env.sh"}
    assert all("canary" in seen for seen in trap.seen().values())
