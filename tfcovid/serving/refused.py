"""How a request is refused: a status and one clear line."""


class RefusedError(Exception):
    """A request that the server does not answer as it was asked.

    Args:
      status: of HTTP, 400 to 599.
      message: one line: what was expected, what came, what to do.
      retry_after_s: when asking again makes sense, in seconds; None where it never does.
      unread: whether a part of the request is not read.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        retry_after_s: int | None = None,
        unread: bool = False,
    ):
        super().__init__(message)
        self.status, self.retry_after_s, self.unread = status, retry_after_s, unread

    def headers(self) -> dict[str, str]:
        """Returns the headers that go with the status."""
        return {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}
