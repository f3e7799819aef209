"""Git: the platform repository without a checkout, clones and checkouts of this machine."""

from bumper.systems.git.address import is_url
from bumper.systems.git.ancestry import Checkout
from bumper.systems.git.checkout import checkout_root, origin_of
from bumper.systems.git.log import Clone
from bumper.systems.git.remote import Remote

__all__ = ["Checkout", "Clone", "Remote", "checkout_root", "is_url", "origin_of"]
