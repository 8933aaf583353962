"""x"""

from typing import Any


class Guard:
    """x"""

    def __init__(self, app: Any, hosts: tuple[str, ...], token: str | None):
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)
