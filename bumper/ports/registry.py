"""What is asked of a registry, and which cloud one in Azure belongs to.

Sources: azure-containerregistry 1.2.0, `ContainerRegistryClient` (audience); azure-identity, `AzureAuthorityHosts`; the README of
azure/login v3.0.0 (environment, and the audience of a federated credential in each cloud).
"""

from typing import NamedTuple, Protocol

from bumper.image import ImageManifest, ImageReference


class AzureCloud(NamedTuple):
    """A cloud of Azure, as its registries' names end. `name` is the Azure CLI's word for it, `login` that of azure/login.

    `authority` is the host to sign in at, `audience` what a registry's token is asked for, `exchange` the audience of a job's own
    token. Empty is what the libraries do by themselves.
    """

    registries: str
    name: str
    exchange: str
    login: str = ""
    authority: str = ""
    audience: str = ""


AZURE_CLOUDS = (
    AzureCloud(".azurecr.io", "AzureCloud", "api://AzureADTokenExchange"),
    AzureCloud(
        ".azurecr.cn",
        "AzureChinaCloud",
        "api://AzureADTokenExchangeChina",
        "azurechinacloud",
        "login.chinacloudapi.cn",
        "https://management.chinacloudapi.cn",
    ),
    AzureCloud(
        ".azurecr.us",
        "AzureUSGovernment",
        "api://AzureADTokenExchangeUSGov",
        "azureusgovernment",
        "login.microsoftonline.us",
        "https://management.usgovcloudapi.net",
    ),
)


def azure_cloud_of(registry: str) -> AzureCloud | None:
    """The cloud of a registry in Azure, by its host; None for any other registry."""
    return next((cloud for cloud in AZURE_CLOUDS if registry.endswith(cloud.registries)), None)


class Registry(Protocol):
    """Where the images are; `registry.Registry` is the real one."""

    def resolve(self, image: ImageReference, *, behind: bool = False) -> ImageManifest: ...
    def tag_for(self, repository: ImageReference, sha: str) -> ImageManifest: ...
    def near(self, image: ImageReference) -> str: ...


class RegistryAccess(Protocol):
    """`registry.Registry` is the real one."""

    def resolve(self, image: ImageReference) -> ImageManifest: ...
    def credential(self, image: ImageReference) -> str: ...
    def reach(self, registry: str) -> str: ...
