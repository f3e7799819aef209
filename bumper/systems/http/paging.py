"""Lists that come page by page: how far they are followed."""

from collections.abc import Callable

from bumper.errors import Transient, Unreachable

MAX_PAGES = 100
MAX_LIST_S = 60.0


class Pages:
    """Counts the pages of one list. What is not read to its end proves nothing, so that an end of ours is an error."""

    def __init__(
        self,
        subject: str,
        now: Callable[[], float],
        *,
        max_pages: int = MAX_PAGES,
        limit_s: float = MAX_LIST_S,
    ) -> None:
        self._subject = subject
        self._now = now
        self._ends_s = now() + limit_s
        self._limit_s = limit_s
        self._max_pages = max_pages
        self._seen: set[str] = set()

    def turn(self, page: str) -> None:
        """Goes on to `page`, an address or a token. Raises where it was read before, is one too many, or comes too late."""
        if page in self._seen:
            raise Unreachable(f"{self._subject}: a page leads back to one that was read, expected an end")
        self._seen.add(page)
        if len(self._seen) > self._max_pages:
            raise Unreachable(f"{self._subject}: the list has more than {self._max_pages} pages")
        if self._now() > self._ends_s:
            raise Transient(f"{self._subject}: the list was not complete after {self._limit_s:g} s")
