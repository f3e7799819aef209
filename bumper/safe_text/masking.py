"""What in a text looks like a secret.

Law: the name of a secret stays (it is what a person must look up), its value goes; a text without one comes back as it is. Masking
twice changes nothing, and the time grows with the length of the text, whatever stands in it. It is a net under careful programs, not a
proof: what looks like an ordinary word after `token:` is left, since the runtimes themselves write `failed to fetch anonymous token:
unexpected status`.
"""

import re
from collections.abc import Callable

from bumper.safe_text import MASK

_PUTTY = r"(?P<name>Private-(?:Lines: \d{1,3}|MAC: ))(?P<value>(?:\s*+[A-Za-z0-9+/=]{16,}+)++)"
_PEM = r"(?s)-----BEGIN (?P<what>[A-Z0-9 ]{1,64})-----.*?(?:-----END (?P=what)-----|\Z)"
_PEM_END = r"[ \t]*+-----END (?P<what>[A-Z0-9 ]{1,64})-----"
_PEM_BODY = r"[ \t]*+[A-Za-z0-9+/=]++\r?"
# A whole line of base64, such as the middle of a PEM block whose beginning was cut off.
_BASE64_LINE = r"(?m)^[ \t]*+(?=[^\s]*?[a-z])(?=[^\s]*?[A-Z])(?=[^\s]*?\d)[A-Za-z0-9+/]{60,}+={0,2}[ \t\r]*+$"
_URL = r"(?<![A-Za-z0-9+.-])(?P<scheme>[A-Za-z0-9+.-]++://)(?P<rest>[^\s'\"<>`]++)"
_PORT = r"\d{1,5}(?:[/?#]|$)"
# `app:hunter2@db:5432/x`, as drivers of databases take it: a URL without its scheme. What stands behind the host says that it is one.
_LOGIN = (
    r"(?a)(?<![\w.:/@+%-])(?P<user>[A-Za-z_][\w.+%-]{0,63}+):(?P<password>[^\s/\"'<>`](?:[^\s\"'<>`]|[\"'](?=\w)){0,127})"
    r"@(?P<host>[A-Za-z0-9][\w.-]{0,253}+|\[[0-9A-Fa-f:.]{2,45}+\])(?P<behind>:(?:\d{1,5}(?!\d)|/)|[/(])?"
)
# Before an address or the name of a package, and what stands behind the `@` of an image or of a package.
_LABEL = (
    r"(?i)(?:[\w-]+-by|mailto|e-?mail|mail|from|to|cc|author|committer|owner|contact|by|user|acct|sips?|xmpp"
    r"|git|ssh|npm|pkg|module|package)"
)
_VERSION = r"(?i)v?\d+(?:\.\d+){0,2}(?:[-+.]?[a-z][\w.+-]*)?|sha(?:1|256|512)|latest"
_PLAIN = r"[A-Z]?[a-z]+(?:[._+-][a-z]+)*|[0-9a-f]{7,40}"
_WEBHOOK = (
    r"(?P<place>hooks\.slack\.com/(?:services|workflows|triggers)/|discord(?:app)?\.com/api/webhooks/|webhook\.office\.com/webhookb2/"
    r"|chat\.googleapis\.com/v1/spaces/|/hook/(?=[0-9a-f]{64})|api\.telegram\.org/bot)(?P<value>(?!\*\*\*)[^\s'\"<>`]++)"
)

# Before `_` and hexadecimal digits these say what is counted or summed up. What is as long as a commit is one, of a branch or an
# application (`web_app_COMMIT`), unless a word before it is that of a secret.
_NO_ISSUER = (
    r"(?!(?:[a-z0-9]+_)*(?:[a-z]*(?:secret|token|pwd)|pass|(?:api|access|auth|private|deploy)?key|pat|cred|live|test)_)[a-z0-9_]+?_[0-9a-f]{40}(?![\w-])"
    r"|[a-z0-9_]*?(?:sha|md5|digest|commit|rev|hash|sum|blob|tree|tag|id|trace|span|layer|cache|file|dir|image|vol|build"
    r"|version|node|pod)"
)
# What the services hand out, by the forms that they document: known wherever it stands. Before the forms what each of them contains:
# nearly all texts have none of it, and the patterns are made for those that do.
_TOKENS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("eyJ", "eyI"), r"ey[JI][\w-]{8,}+\.[\w-]{8,}+(?:\.[\w-]*+)+"),  # JSON Web Token, signed or encrypted
    # GitHub. A token of an App may hold a JSON Web Token (since 2026: ghs_APPID_JWT).
    (("gh", "github_pat_"), r"(?:gh[pousr]_|github_pat_)[\w-]{20,}+(?:\.[\w-]{8,}+)*+"),
    (
        ("gl", "GR1348941"),  # GitLab
        r"(?:gl(?:pat|ptt|dt|rt|rtr|cbt|ft|imt|agent|oas|soat|ffct|wt)-|GR1348941)[\w-]{20,}+(?:\.[\w-]++)*+",
    ),
    (("ATT3x", "CTT3x", "ATBB"), r"AT(?:ATT3x|CTT3x|BB)[\w=+/-]{16,}+"),  # Atlassian
    (("xox", "xapp-"), r"xox[a-z](?:\.xox[a-z])?-[\w-]{10,}+|xapp-\d-[\w-]{10,}+"),  # Slack
    (
        ("_live_", "_test_", "whsec_"),
        r"(?:sk|rk)_(?:live|test)_\w{10,}+|whsec_[A-Za-z0-9+/=]{16,}+",
    ),  # Stripe
    (("AKIA", "ASIA", "ABIA", "ACCA"), r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])"),  # AWS: keys
    (
        ("IQoJb3JpZ2lu", "oGZXIvYXdz", "ABSK"),  # AWS: sessions, Bedrock
        r"(?:IQoJb3JpZ2lu|F[wQ]oGZXIvYXdz|ABSK)[A-Za-z0-9+/=]{40,}+",
    ),
    (
        ("AIza", "ya29.", "GOCSPX-", "1//0"),  # Google
        r"AIza[\w-]{30,}+|ya29\.[\w.-]{16,}+|GOCSPX-[\w-]{16,}+|1//0[\w-]{20,}+",
    ),
    (
        ("Q~", "+A"),  # Azure
        r"[\w.~-]{3}\dQ~[\w.~-]{30,}+|[A-Za-z0-9+/]{42}\+(?:ACR|AMC|AIo|ASt|ARm|ACD)[A-Za-z0-9+/]{5,7}=?",
    ),
    (
        ("==", "JQQJ9"),  # Azure: storage, and keys of 2024
        r"[A-Za-z0-9+/]{86}==|[A-Za-z0-9]{52}JQQJ9[A-Za-z0-9]{20,}+",
    ),
    (
        ("npm_", "pypi-A", "rubygems_", "oy2", "cio"),  # packages
        r"npm_[A-Za-z0-9]{30,}+|pypi-A[\w-]{40,}+|rubygems_[0-9a-f]{40,}+|oy2[a-z0-9]{43}|cio[A-Za-z0-9]{32}",
    ),
    (
        ("dckr_", "SG.", "SK"),  # Docker, SendGrid, Twilio
        r"dckr_[a-z]{2,4}_[\w-]{20,}+|SG\.[\w-]{16,}+\.[\w-]{16,}+|SK[0-9a-f]{32}(?![A-Za-z0-9])",
    ),
    (("hv", ".atlasv1."), r"hv[sbr]\.[\w-]{20,}+|[A-Za-z0-9]{14}\.atlasv1\.[\w-]{40,}+"),  # HashiCorp
    (("AGE-",), r"AGE-(?:PLUGIN-[A-Z0-9]++-|SECRET-KEY-(?:PQ-)?1)[A-Z0-9]{40,}+"),  # age
    (
        ("sk-",),  # OpenAI, Anthropic and others
        r"sk-(?:ant|proj|svcacct|admin|or|lf|None)-[\w-]{20,}+|sk-[A-Za-z0-9]{32,}+",
    ),
    (
        ("hf_", "gsk_", "xai-", "pplx-", "r8_"),  # models
        r"hf_[A-Za-z0-9]{30,}+|gsk_[A-Za-z0-9]{40,}+|xai-[A-Za-z0-9]{40,}+|pplx-[A-Za-z0-9]{40,}+|r8_\w{30,}+",
    ),
    (
        ("_v1_", "dapi", "dp."),
        r"do[opr]_v1_[0-9a-f]{40,}+|dapi[0-9a-f]{32}(?:-\d)?|dp\.(?:pt|st|ct|sa|scim|audit)\.(?:[\w-]++\.)?\w{30,}+",
    ),
    (
        (
            "glc_",
            "glsa_",
            "lin_api_",
            "ntn_",
            "sntry",
            "figd_",
            "bkua_",
            "sbp_",
            "sbsecret_",
            "nfp_",
            "pscale_",
        ),
        r"(?:glc_|glsa_|lin_api_|ntn_|sntry[su]_|figd_|bkua_|sbp_|sbsecret_|nfp_|pscale_(?:tkn|pw|oauth)_)[\w=+/-]{20,}+",
    ),
    (
        ("shp", "NRAK-", "PMAK-", "pul-", "tskey-"),
        r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}|NRAK-[A-Z0-9]{20,}+|PMAK-[\w-]{40,}+|pul-[0-9a-f]{40}|tskey-[\w-]{16,}+",
    ),
    (
        ("HRKU-", "CCIPAT", "CCIPRJ", "EAACEdEose0cBA", "sq0", "dt0"),
        r"HRKU-[\w-]{30,}+|CCI(?:PAT|PRJ)_\w{20,}+|EAACEdEose0cBA\w++|sq0(?:atp|csp)-[\w-]{22,}+|dt0[a-z]\d{2}\.\w{24}\.\w{40,}+",
    ),
    (
        ("key-", "-us", "ops_ey", "LTAI"),
        r"key-[0-9a-f]{32}|[0-9a-f]{32}-us\d{1,2}(?![A-Za-z0-9])|ops_ey[\w-]{40,}+|LTAI[A-Za-z0-9]{16,}+",
    ),
    ((":AA", "K10"), r"\d{8,10}:AA[\w-]{32,}+|K10[0-9a-f]{40,}+::[^\s'\"]++"),  # Telegram, k3s
    (
        ("fm", "sgp_", "rdme_", "CLOJARS_", "snyk_", "sm_pat_", "lsv2_", "sb_secret_"),  # Fly.io and others
        r"fm(?:1[ra]|2)_[\w+/=,-]{40,}+|(?:sgp_|rdme_|CLOJARS_|snyk_(?:uat|sat)\.|sb_secret_|sm_pat_|lsv2_[ps][tk]_)[\w.-]{16,}+",
    ),
    (
        (
            "cmVmdGtuO",
            "AKCp",
            "eyJhdXRocyI6",
            "GOOG1",
            "AKID",
            "AQVN",
        ),  # JFrog, docker's configuration, Google's HMAC, Tencent, Yandex
        r"cmVmdGtuO[\w=]{30,}+|AKCp\w{60,}+|eyJhdXRocyI6[\w+/=]{20,}+|GOOG1[A-Z0-9]{40,}+|AKID\w{28,}+|AQVN[\w-]{30,}+",
    ),
    (
        (
            "pat",
            "CFPAT-",
            "API-",
            "xkeysib-",
            "SECK",
            "access-",
            "sdk-",
        ),  # Airtable, HubSpot, Contentful, Octopus, Brevo, Plaid …
        (
            r"pat\w{14}\.[0-9a-f]{64}|pat-[a-z]{2}\d-[0-9a-f-]{36}|pat\.[\w-]{20,24}\.\w{24}\.\w{20}|CFPAT-[\w-]{40,}+|API-[A-Z0-9]{26,}+"
            r"|xkeysib-[0-9a-f]{64}-\w{16}|FLWSECK(?:_TEST)?-\w{32}-X|access-(?:production|development|sandbox)-[0-9a-f-]{36}"
            r"|sdk-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
        ),
    ),
    (
        (
            "s.",
            "b.",
            "t1.",
            ".local.",
            "SSWS",
            "st.",
            "sk.",
        ),  # Vault before 1.10, Yandex, PASETO, Mapbox, Okta, Infisical
        (
            r"[sb]\.(?=[A-Za-z]*+\d)(?=\w*?[a-z])(?=\w*?[A-Z])[A-Za-z0-9]{24}(?![\w.])|t1\.[\w-]{40,}+\.[\w-]{60,}+|v[1-4]\.local\.[\w-]{40,}+"
            r"|sk\.eyJ[\w-]{20,}+\.[\w-]{16,}+|SSWS[ ]00[\w-]{30,}+|st\.[0-9a-f]{24}(?:\.[0-9a-f]{32}){2}"
        ),
    ),
    (("-",), r"[0-9a-f]{32}(?:-[0-9a-f]{8}){2}(?![\w-])"),  # Mailgun
    ((":",), r"\d/\d{10,19}/\d{10,19}:[0-9a-f]{32}"),  # Asana
    # What services of today make by GitHub's example: words of whose they are, `_`, and what nobody speaks.
    (
        ("_",),
        (
            r"(?<![\w-])[a-z][a-z0-9]{1,11}(?:_[a-z0-9]{1,10}){0,3}_"
            r"(?=[\w-]*?[a-z])(?=(?:[a-z0-9_-]*+[A-Z]++){3})(?=(?:[A-Za-z_-]*+\d++){3})[\w-]{24,}+"
            rf"|(?<![\w-])(?!{_NO_ISSUER})[a-z][a-z0-9]{{1,11}}(?:_[a-z0-9]{{1,10}}){{0,3}}_(?=[a-f]*+\d)[0-9a-f]{{32,}}+(?![\w-])"
        ),
    ),
    (("M", "N", "O"), r"[MNO][\w-]{23,25}\.[\w-]{6}\.[\w-]{27,}+"),  # Discord
)

# Every name of a secret contains one of these, so that texts without any are let through at once.
_HINTS = (
    "pass",
    "pwd",
    "secret",
    "token",
    "cred",
    "sig",
    "key",
    "auth",
    "cookie",
    "psk",
    "code",
    "sess",
    "pat",
    "bindpw",
    "dockerconfig",
)
_WORDS = (
    r"(?:passw(?:or)?d|bindpw|dockerconfigjson|passphrase|passcode|pwd|secret|token|credential|signature"
    r"|(?:api|access|account|private|signing|encryption|shared|storage|master|function|host|session|auth|license"
    r"|webhook|deploy|instrumentation|client|service|root|admin|bot)[-_. ]?key)"
)
_SECRET_NAME = rf"(?i){_WORDS}|(?:^|[-_.])(?:sig|psk|otp|pw|pass[-_]?key)$|pass(?:[-_.]?\d+)?$"
# English words that end as `dbpass` does.
_ORDINARY_END = r"(?i)(?:by|com|encom|tres|sur|over|under|im|im_)pass$"
# Hold a secret now and then: a value goes only where it looks like one.
_SOMETIMES = r"(?i)(?:^|[-_.])(?:auth|pat|jwt|session(?:_?id)?|sid|key|code|creds?)$"
# By which a chart restarts its pods: `checksum/secret`, `stakater.com/last-secret`.
_DIGEST = r"[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}"
# The one of them that sites are called, too: what is told of them is a commit (`auth: COMMIT`).
_SITE, _COMMIT = "auth", r"[0-9a-f]{40}"
# Says something about a secret: `secretName`, `token_type`, `--token-file`.
_ABOUT = (
    r"(?i:name|ref|names|refs)$|(?:(?:^|[-_.])(?=[a-zA-Z])|(?<=[a-z0-9])(?=[A-Z]))(?i:from|file|path|dir|type|count|length|len|size|limit|policy|ttl|url|uri|expiry|"
    r"expires(?:_?(?:in|at|on))?|expiration|endpoint|issuer|audiences?|kind|namespace|version|class|provider|store|mount|stdin|"
    r"enabled|required|valid|error|status|reason|format|field|label|annotation|prefix|duration|lifetime|age|seconds|rotation|"
    r"reviews?|requests?|server|service|identity|host|port|controller|operator|manager|agent|driver|generator|reflector|usage|budget)$"
)
_PLURAL = r"(?i)[^s]s$"
_ALWAYS = r"(?i)pass|pwd|pw$|psk$|^x-|^-"
_SIGN = r"(?:[ \t]*+(?:=>|:=|==?|:)[ \t]*+)"
_NAME = rf"(?a)(?<![\w.-])(?P<name>[\w.-]++)(?P<sign>\\{{0,3}}[\"'\]]?{_SIGN}\[?+)(?![\s=])"
# What stands in quotes (escaped ones, too), in quotes that a limit cut off, and up to a space or the end of a list entry. A character
# that ends an entry belongs to the value where the text goes on behind it with something that is no next entry.
_VALUE = (
    r"(?a)(?P<open>\\{0,3}[\"'])(?![\s,;}\])]|$)(?P<quoted>(?:\\.|[^\\\n])*?)(?P=open)"
    r"|(?P<cut>\\{0,3}[\"'])(?![\s,;}\])]|$)[^\n]++"
    r"|(?P<plain>(?:[^\s\"'&;,)\]}\\]|\\(?![\"'n])|[\"'&,)\]}](?=[\w!#$%*+./<>?@^~-])(?![\w.\-]{1,64}+[\"']?[=:]))++)"
)
# `Password=a b;` in the middle of a connection string.
_CONNECTION_VALUE = r"(?P<open>(?!))?(?P<cut>(?!))?[^;\"'\n]{1,256}+(?=;)"
_HEADER = (
    r"(?i)(?P<quote>[\"']?)(?<![\w-])(?P<name>(?:proxy-)?authorization|(?:set-)?cookie2?)\b"
    r"(?P<sign>[\"']?[ \t]*+[:=][ \t]*+\[?)(?=\S)"
)
_SCHEME = (
    r"(?i)(?:bearer|basic|digest|negotiate|ntlm|token|sharedkey(?:lite)?|aws4-hmac-sha256|hawk|apikey)\b"
)
_SENTENCE = r"(?a)(?:[A-Za-z][a-z']*+[ ,]+){2,}+[A-Za-z]++"
_BEARER = r"(?i)\b(?P<scheme>bearer|basic)(?P<gap>[ \t]+)(?P<value>[A-Za-z0-9+/._~-]{6,}+={0,2}(?![\w=]))"
_ORDINARY_WORD = r"(?:[A-Z]?[a-z]++|[A-Z]++)(?:[-/_][A-Za-z]?[a-z]++)*+[.:=-]*+"
_FLAG = (
    r"(?a)(?<![\w-])(?P<name>--?[A-Za-z][\w-]*+)(?P<gap>[\"']?,?[ \t]+)"
    r"(?P<value>\"[^\"\n]++\"|'[^'\n]++'|[^\s\"'=:-](?:[^\s\"']|[\"'](?=\w))*+)"
)
# What goes on with a sentence about a flag.
_PROSE = (
    r"(?i)(?:flags?|options?|arguments?|parameters?|values?|is|are|was|were|be|has|have|had|must|may|can|cannot|could|should|will|would"
    r"|not|and|or|to|for|with|without|in|on|of|from|as|if|via|by|but|the|an?|instead|requires?|needs?|set|given|missing|deprecated"
    r"|specified|provided|insecure)[.,;:)]?"
)
# Short flags mean a password with these programs alone.
_SHORT_FLAG = (
    r"(?P<name>\b(?:(?:docker|podman|nerdctl|buildah|skopeo|oras|crane|helm|az|cosign|oc)\b[^\n|;&]{0,200}?\blogin\b"
    r"[^\n|;&]{0,200}?[ \t]-p"
    r"|sshpass[ \t]+-p|redis-cli\b[^\n|;&]{0,200}?[ \t]-a)(?:[ \t=]+|(?=[\"']))"
    r"|\b(?:mysql|mysqldump|mysqladmin|mariadb|mariadb-dump)\b[^\n|;&]{0,200}?[ \t]-p"
    r"|\bcurl\b[^\n|;&]{0,400}?[ \t](?:-u|--user)[ \t=]*[\"']?[^\s:\"']{1,128}:)(?P<value>\"[^\"\n]++\"|'[^'\n]++'|[^\s\"']++)"
)
_XML = r"(?a)(?P<before><(?P<name>[\w.:-]{1,64}+)>)(?P<value>[^<\n]++)(?=</)"
_AFTER_WORD = rf"(?i)(?P<name>\b{_WORDS}\b[\"']?\s{{1,8}}(?:is\s{{1,8}})?[\"']?)(?P<value>[A-Za-z0-9+/_-]{{24,}}+={{0,2}})"
# `Password for 'https://me@git.example': X`, as programs ask and logs keep it; "X", 'X', or X behind the word itself.
_PROMPTED = (
    r"(?ai)(?P<name>\bpass(?:word|phrase|code)\s{1,8}(?:(?:for|of)\s[^\n]{1,200}?(?::|\sis)[ \t]{1,8}|(?:(?:is|was)\s{1,8})?))"
    r"(?:(?P<open>[\"'])(?P<quoted>[^\s\"'\n][^\"'\n]{0,127})(?P=open)|(?P<plain>[^\s\"'](?:[^\s\"']|[\"'](?=\w)){0,199}+))(?P<rest>[^\n]{0,2})"
)
_NETRC = r"(?im)(?P<name>(?:^[ \t]{0,8}|\bmachine\s{1,8}\S{1,256}+\s{1,8})login\s{1,8}\S{1,128}+\s{1,8}password\s{1,8})(?P<value>\S++)"
# What is said of passwords, not their value.
_OF_PASSWORDS = r"(?i)(?:md5|sha-?\d+|pbkdf2|argon2\w*|scrypt|bcrypt|ntlm(?:v2)?|base64|utf-?8|oauth2?|v\d+|\d+\w?)[.,;:)]*"
# What registries answer to a wrong password, and how a test run counts.
_ANSWER = (
    r"(?i)unauthorized|denied|forbidden|invalid|incorrect|missing|required|wrong|expired|rejected|unknown|absent|(?:un)?set|done|saved"
    r"|changed|not|test\w*|ok|\d{1,4}|fail\w*"
)
# Stands for a value, or says that there is none.
_NO_VALUE = (
    r"(?is)true|false|null|nil|none|yes|no|empty|undefined|\*+|<[a-z_ -]+>|\[?(?:redacted|masked|hidden|filtered)\]?"
    r"|\$\{.*|\$\(.*|\{\{.*|\$[A-Z_]+|%\w|\(sensitive.*"
)
_TIME_OR_ADDRESS = r"(?i)\d{4}-\d\d-\d\d[T ].*|[a-z][a-z0-9+.-]*://.*|sha(?:1|256|512):[0-9a-f]*"
_UUID = r"(?i)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# `db-credentials-2`, `web-tls-v1.2`, `app-secret-5kfm2h8t9c`: words, their numbers, and what Kubernetes and kustomize put behind them.
_WORDED_NAME = (
    r"(?=[^-._/]++[-._/])[a-z]{2,}+\d{0,8}+(?:[-._/](?:[a-z]++\d{0,8}|\d{1,8}))*"
    r"(?:-(?:[bcdfghjklmnpqrstvwxz2456789]{8,10}-)?[bcdfghjklmnpqrstvwxz2456789]{5}|-[bcdfghkmt2456789]{10})?"
)
# `flux-system/web-tls`: where a Secret stands, not what it holds.
_OBJECT_NAME = r"[a-z0-9]++(?:[-.][a-z0-9]++)*+(?:/[a-z0-9]++(?:[-.][a-z0-9]++)*+)?"
_LONG_ENOUGH = 8
_LONG_WORD = 24
_LONGEST_JUDGED = 200
_ROUNDS = 8


def mask(text: str) -> str:
    """`text` with every value that looks like a secret replaced by `***`."""
    for _ in range(_ROUNDS):
        masked = _masked(text)
        if masked == text:
            break
        # What was masked may show the end of something else.
        text = masked
    return text


def _masked(text: str) -> str:
    if "-----" in text:
        text = _without_pem_tails(re.sub(_PEM, _block, text))
    if "Private-" in text:
        text = re.sub(_PUTTY, rf"\g<name> {MASK}", text)
    if len(text) >= 60:
        text = re.sub(_BASE64_LINE, MASK, text)
    if "://" in text:
        text = re.sub(_URL, _url, re.sub(_WEBHOOK, rf"\g<place>{MASK}", text))
    if "@" in text and ":" in text:
        text = re.sub(_LOGIN, _login, text)
    folded = text.lower()
    has_names = any(hint in folded for hint in _HINTS)
    if has_names:
        text = _without_values(text, _HEADER, _header_end)
    text = _without_tokens(text)
    if "bearer" in folded or "basic" in folded:
        text = re.sub(_BEARER, _bearer, text)
    if " -" in text or text.startswith("-") or '"-' in text or "'-" in text:
        text = re.sub(_SHORT_FLAG, _short_flag, text)
    if not has_names:
        return text
    text = _without_values(text, _NAME, _named_end)
    text = re.sub(_FLAG, _flag, re.sub(_XML, _element, text))
    if "passw" in folded or "passphrase" in folded or "passcode" in folded:
        text = re.sub(_PROMPTED, _prompted, re.sub(_NETRC, rf"\g<name>{MASK}", text))
    return re.sub(_AFTER_WORD, _after_word, text)


def _without_tokens(text: str) -> str:
    spans = sorted(
        match.span()
        for contained, form in _TOKENS
        if _holds(text, contained)
        for match in re.finditer(rf"(?a)(?<![A-Za-z0-9])(?:{form})", text)
    )
    pieces, end = [], 0
    for start, stop in spans:
        if start >= end:
            pieces += [text[end:start], MASK]
        end = max(end, stop)
    return "".join([*pieces, text[end:]])


def _holds(text: str, pieces: tuple[str, ...]) -> bool:
    for piece in pieces:  # noqa: SIM110 - five times as fast as `any`, for every line that is printed
        if piece in text:
            return True
    return False


def _block(match: re.Match[str]) -> str:
    # A certificate is no secret, but it is no evidence either: nobody reads it.
    return f"[{match['what']} {MASK}]"


def _without_pem_tails(text: str) -> str:
    """Without PEM blocks whose beginning was cut off: the lines of base64 before an end."""
    if "-----END " not in text:
        return text
    lines: list[str] = []
    for line in text.split("\n"):
        end = re.match(_PEM_END, line)
        if not end:
            lines.append(line)
            continue
        while lines and re.fullmatch(_PEM_BODY, lines[-1]):
            lines.pop()
        lines.append(_block(end) + line[end.end() :])
    return "\n".join(lines)


def _url(match: re.Match[str]) -> str:
    """The user of a URL stays, the password goes; so does a token in the user's place."""
    login, at, host = match["rest"].rpartition("@")
    user, colon, password = login.partition(":")
    if not at or not host or "/" in user or re.match(_PORT, password):
        return match[0]
    if colon:
        return f"{match['scheme']}{user}:{MASK}@{host}" if password else match[0]
    return f"{match['scheme']}{MASK}@{host}" if len(login) >= 20 else match[0]


def _login(match: re.Match[str]) -> str:
    password, host = match["password"], match["host"]
    is_plain, is_label = re.fullmatch(_PLAIN, password), re.fullmatch(_LABEL, match["user"])
    if (is_label and is_plain) or re.fullmatch(_VERSION, host) or re.match(_PORT, password):
        return match[0]
    # An address for mail, an image, a path: only the host's port or path tells them from a word that is a password.
    is_other = is_plain or is_label or "/" in password or re.fullmatch(_VERSION, password)
    if is_other and not match["behind"]:
        return match[0]
    return f"{match['user']}:{MASK}@{host}{match['behind'] or ''}"


def _prompted(match: re.Match[str]) -> str:
    """After the word itself a bare one is a sentence (`password authentication failed`) unless digits stand among its letters."""
    value = match["quoted"] or match["plain"]
    if re.fullmatch(_NO_VALUE, value) or re.fullmatch(_ANSWER, value.rstrip(".,;")):
        return match[0]
    if not match["quoted"]:
        is_last = not match["rest"].strip() and match["name"].rstrip().endswith(":")
        is_mixed = any(char.isdigit() for char in value) and any(char.isalpha() for char in value)
        if not is_last and (
            not is_mixed or ":" in value or "=" in value or re.fullmatch(_OF_PASSWORDS, value)
        ):
            return match[0]
    return f"{match['name']}{match['open'] or ''}{MASK}{match['open'] or ''}{match['rest']}"


def _without_values(
    text: str, name: str, end_of_value: Callable[[str, re.Match[str]], tuple[int, str] | None]
) -> str:
    """`name` is the pattern of a name. `end_of_value` says where the value after it ends and what is put there; None: it stays."""
    pieces, copied, position = [], 0, 0
    search = re.compile(name).search
    while match := search(text, position):
        position = match.end()
        if value := end_of_value(text, match):
            end, replacement = value
            pieces += [text[copied:position], replacement]
            copied = position = end
    return "".join([*pieces, text[copied:]])


def _header_end(text: str, name: re.Match[str]) -> tuple[int, str] | None:
    """A header's value is the rest of its line, or of the quotes that it stands in; the scheme stays."""
    start = name.end()
    value = re.compile(_VALUE).match(text, start)
    if value and value["open"]:
        start, end = value.span("quoted")
    elif name["quote"] and not name["sign"].startswith(name["quote"]):
        closing, line_end = text.find(name["quote"], start), _line_end(text, start)
        end = min(closing, line_end) if closing >= 0 else line_end
    elif "[" in name["sign"]:
        closing, line_end = text.find("]", start), _line_end(text, start)
        end = min(closing, line_end) if closing >= 0 else line_end
    else:
        end = _line_end(text, start)
    held = text[start:end]
    scheme = re.match(_SCHEME, held)
    kept = held[: scheme.end()] + " " if scheme else ""
    if not scheme and (re.match(_SENTENCE, held) or re.fullmatch(_NO_VALUE, held.strip())):
        return None
    return end, f"{text[name.end() : start]}{kept}{MASK}"


def _line_end(text: str, start: int) -> int:
    end = text.find("\n", start)
    end = len(text) if end < 0 else end
    return end - 1 if text[start:end].endswith("\r") else end


def _named_end(text: str, name: re.Match[str]) -> tuple[int, str] | None:
    """`password=x`, `"token": "…"`, `AccountKey=…`. After a colon an unquoted word is a sentence that goes on, but for passwords."""
    if not _may_be_secret(name["name"]):
        return None
    # What is looked at is short: the whole of a long value is read only where it goes.
    value = _value(text, name, name.end() + _LONGEST_JUDGED)
    if not value:
        return None
    quote = value["open"] or value["cut"] or ""
    bare = value[0].strip("\\\"'")
    if not bare or re.fullmatch(_NO_VALUE, bare) or not _is_secret(name, bare, is_quoted=bool(quote)):
        return None
    value = _value(text, name, len(text)) or value
    return value.end(), f"{value['open'] or value['cut'] or ''}{MASK}{value['open'] or ''}"


def _value(text: str, name: re.Match[str], end: int) -> re.Match[str] | None:
    if "=" in name["sign"] and _before(name) == ";":
        connection = re.compile(_CONNECTION_VALUE).match(text, name.end(), end)
        return connection or re.compile(_VALUE).match(text, name.end(), end)
    return re.compile(_VALUE).match(text, name.end(), end)


def _before(name: re.Match[str]) -> str:
    return name.string[name.start() - 1 : name.start()]


def _may_be_secret(name: str) -> bool:
    return bool(re.search(_SECRET_NAME, name) or re.search(_SOMETIMES, name)) and not (
        re.search(_ORDINARY_END, name) or re.search(_ABOUT, name)
    )


def _is_secret(name: re.Match[str], value: str, *, is_quoted: bool) -> bool:
    """Whether `value` after this name of a secret is one; where nothing but the name speaks for it, by its own look."""
    is_spoken = ":" in name["sign"] and "=" not in name["sign"] and not is_quoted
    if is_spoken and _before(name) == "/" and name["sign"] == ":":
        return False  # an image: registry.example/team/vault-token:1.2
    if _before(name) == "/" and re.fullmatch(_DIGEST, value):
        return False  # an annotation
    if not re.search(_SECRET_NAME, name["name"]) or re.search(_PLURAL, name["name"]):
        if name["name"] == _SITE and re.fullmatch(_COMMIT, value) and not is_quoted:
            return _before(name) in ("?", "&")
        return _before(name) in ("?", "&") or _looks_random(value)
    if name["name"].lower().endswith("secret") and "/" in value and re.fullmatch(_OBJECT_NAME, value):
        return False
    if not is_spoken:
        return True
    if re.search(_ALWAYS, name["name"]):
        return not re.fullmatch(_ANSWER, value)
    return _looks_secret(value) and not re.fullmatch(_WORDED_NAME, value)


def _flag(match: re.Match[str]) -> str:
    """`--password X`. In a sentence (`the flag --token is required`) nothing is held."""
    value = match["value"]
    is_name = re.search(_SECRET_NAME, match["name"]) and not (
        re.search(_ORDINARY_END, match["name"]) or re.search(_ABOUT, match["name"])
    )
    if not is_name or re.fullmatch(_PROSE, value) or re.fullmatch(_NO_VALUE, value.strip("\"'")):
        return match[0]
    return f"{match['name']}{match['gap']}{_in_quotes(value)}"


def _short_flag(match: re.Match[str]) -> str:
    return f"{match['name']}{_in_quotes(match['value'])}"


def _in_quotes(value: str) -> str:
    quote = value[0] if value[0] in "\"'" else ""
    return f"{quote}{MASK}{quote}"


def _element(match: re.Match[str]) -> str:
    is_held = _may_be_secret(match["name"]) and not re.fullmatch(_NO_VALUE, match["value"])
    return f"{match['before']}{MASK}" if is_held else match[0]


def _bearer(match: re.Match[str]) -> str:
    if re.fullmatch(_ORDINARY_WORD, match["value"]):
        return match[0]
    return f"{match['scheme']}{match['gap']}{MASK}"


def _after_word(match: re.Match[str]) -> str:
    value = match["value"]
    is_name = re.fullmatch(_OBJECT_NAME, value) and ("-" in value or "/" in value)
    return match[0] if is_name or not _looks_secret(value) else f"{match['name']}{MASK}"


def _looks_secret(text: str) -> bool:
    """Digits among letters, or longer than words are."""
    if len(text) < _LONG_ENOUGH or text.endswith(":") or re.match(_TIME_OR_ADDRESS, text):
        return False
    has_digit = any(char.isdigit() for char in text)
    return (has_digit and any(char.isalpha() for char in text)) or len(text) >= _LONG_WORD


def _looks_random(text: str) -> bool:
    """Like `_looks_secret`, and neither a digest, a UUID nor the name of an object."""
    if (
        len(text) < 2 * _LONG_ENOUGH
        or re.fullmatch(_UUID, text)
        or ("-" in text and re.fullmatch(_OBJECT_NAME, text))
    ):
        return False
    return _looks_secret(text) and any(char.isdigit() for char in text)
