"""How a secret may look where it should not stand."""

import base64


def forms(secret: str) -> list[str]:
    """As it is, and as basic authentication writes it with the names of users that tokens go by."""
    users = ("x-access-token", "git", "bump", "user", "")
    return [
        secret,
        *(base64.b64encode(f"{user}:{secret}".encode()).decode().rstrip("=")[:-1] for user in users),
    ]
