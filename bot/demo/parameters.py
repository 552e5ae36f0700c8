"""The parameters of a Bot API call: form, multipart or JSON, with nested values as JSON text."""

import json
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import UploadFile
from starlette.requests import Request

_MAX_FILE_SIZE = 50 * 1024 * 1024  # bytes; Telegram Bot API, sendDocument


class MethodRefused(Exception):
    """A call refused with `{"ok": false}`."""

    def __init__(self, status: int, description: str, **parameters: Any) -> None:
        super().__init__(description)
        self.status = status
        self.description = description
        self.parameters = parameters


def bad_request(reason: str) -> MethodRefused:
    """400, in Telegram's words."""
    return MethodRefused(400, f"Bad Request: {reason}")


@dataclass(frozen=True)
class Upload:
    """A file that came with a call."""

    name: str
    media_type: str
    data: bytes


class Parameters:
    """The named values of one call; one that cannot be read raises `MethodRefused`."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    @classmethod
    async def of(cls, request: Request) -> "Parameters":
        """Read a request's query and body; a body that is not what its content type says is refused."""
        values: dict[str, Any] = dict(request.query_params)
        content_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if content_type == "application/json":
            try:
                body = json.loads(await request.body() or b"{}")
            except ValueError:
                raise bad_request("can't parse request body as JSON") from None
            if not isinstance(body, dict):
                raise bad_request("request body must be a JSON object")
            values.update(body)
        elif content_type in {"application/x-www-form-urlencoded", "multipart/form-data"}:
            async with request.form() as form:
                for name, value in form.multi_items():
                    values[name] = await _upload(value) if isinstance(value, UploadFile) else value
        return cls(values)

    def shown(self) -> dict[str, Any]:
        """Return the values for the record of calls: nested JSON opened, files as their name and size."""
        shown: dict[str, Any] = {}
        for name, value in self._values.items():
            if isinstance(value, Upload):
                shown[name] = {"file_name": value.name, "size": len(value.data)}
            elif isinstance(value, str) and value[:1] in {"{", "["}:
                try:
                    shown[name] = json.loads(value)
                except ValueError:
                    shown[name] = value
            else:
                shown[name] = value
        return shown

    def text(self, name: str) -> str:
        """Text, "" where absent."""
        value = self._values.get(name, "")
        return value if isinstance(value, str) else json.dumps(value)

    def integer(self, name: str) -> int:
        """A whole number, 0 where absent."""
        value = self._values.get(name)
        if value is None or value == "":
            return 0
        try:
            return int(value)
        except (TypeError, ValueError):
            raise bad_request(f"{name} must be an integer") from None

    def flag(self, name: str) -> bool:
        """Whether a flag is set."""
        return str(self._values.get(name, "")).lower() in {"true", "1"}

    def nested(self, name: str) -> Any:
        """A nested value, None where absent."""
        value = self._values.get(name)
        if not isinstance(value, str):
            return value
        if not value:
            return None
        try:
            return json.loads(value)
        except ValueError:
            raise bad_request(f"can't parse {name.replace('_', ' ')} JSON object") from None

    def opened(self, name: str) -> "Parameters":
        """The parameters of a nested object, with the files of the call still in reach."""
        inner = self.nested(name)
        if not isinstance(inner, dict):
            raise bad_request(f"can't parse {name.replace('_', ' ')} JSON object")
        return Parameters({**self._values, **inner})

    def file(self, name: str) -> Upload | str | None:
        """An uploaded file, the file_id of an earlier one, or None."""
        value = self._values.get(name)
        if isinstance(value, str) and value.startswith("attach://"):
            value = self._values.get(value.removeprefix("attach://"))
        return value if isinstance(value, (Upload, str)) else None


async def _upload(part: UploadFile) -> Upload:
    data = await part.read(_MAX_FILE_SIZE + 1)
    if len(data) > _MAX_FILE_SIZE:
        raise MethodRefused(413, "Request Entity Too Large")
    return Upload(part.filename or "file", part.content_type or "application/octet-stream", data)
