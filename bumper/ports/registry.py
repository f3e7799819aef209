"""What is asked of a registry."""

from typing import Protocol

from bumper.image import ImageManifest, ImageReference


class Registry(Protocol):
    """Where the images are; `registry.Registry` is the real one."""

    def resolve(self, image: ImageReference) -> ImageManifest: ...
    def tag_for(self, repository: ImageReference, sha: str) -> ImageManifest: ...
    def near(self, image: ImageReference) -> str: ...


class RegistryAccess(Protocol):
    """`registry.Registry` is the real one."""

    def resolve(self, image: ImageReference) -> ImageManifest: ...
    def credential(self, image: ImageReference) -> str: ...
    def reach(self, registry: str) -> str: ...
