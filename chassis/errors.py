"""One vocabulary of errors for every service: a status, a machine-readable reason, a sentence that says what to do.

They cross gRPC as google.rpc.ErrorInfo (https://google.aip.dev/193) and come out on the other side as the same class.
"""

from typing import ClassVar

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

DOMAIN = "assent"
_DETAILS_KEY = "grpc-status-details-bin"


class ServiceError(Exception):
    """An error that a caller may see.

    `reason` is stable UPPER_SNAKE_CASE for programs, `message` is for people and says what to do next.
    """

    code: ClassVar[grpc.StatusCode] = grpc.StatusCode.INTERNAL

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason


class InvalidArgument(ServiceError):
    """The request can never succeed as it is."""

    code = grpc.StatusCode.INVALID_ARGUMENT


class Unauthenticated(ServiceError):
    """Nobody we know."""

    code = grpc.StatusCode.UNAUTHENTICATED


class PermissionDenied(ServiceError):
    """Somebody we know who may not do this."""

    code = grpc.StatusCode.PERMISSION_DENIED


class NotFound(ServiceError):
    """There is no such thing, or the caller may not know of it."""

    code = grpc.StatusCode.NOT_FOUND


class AlreadyExists(ServiceError):
    """The name is taken."""

    code = grpc.StatusCode.ALREADY_EXISTS


class FailedPrecondition(ServiceError):
    """Right request, wrong state: something else has to happen first."""

    code = grpc.StatusCode.FAILED_PRECONDITION


class OutOfRange(ServiceError):
    """Past the end of what is there."""

    code = grpc.StatusCode.OUT_OF_RANGE


class ResourceExhausted(ServiceError):
    """Too much at once; try again later."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED


class Unavailable(ServiceError):
    """A dependency cannot be reached; the same request may succeed later."""

    code = grpc.StatusCode.UNAVAILABLE


class DeadlineExceeded(ServiceError):
    """No answer in time; what was asked may or may not have happened."""

    code = grpc.StatusCode.DEADLINE_EXCEEDED


class Internal(ServiceError):
    """A fault of ours, logged where it happened."""


_BY_CODE: dict[grpc.StatusCode, type[ServiceError]] = {
    kind.code: kind
    for kind in (
        InvalidArgument, Unauthenticated, PermissionDenied, NotFound, AlreadyExists, FailedPrecondition,
        OutOfRange, ResourceExhausted, Unavailable, DeadlineExceeded, Internal,
    )
}  # fmt: skip

_BY_NUMBER = {code.value[0]: kind for code, kind in _BY_CODE.items()}


def internal() -> Internal:
    """What a caller may see of an error that we did not foresee: a driver's message may hold what nobody must see."""
    return Internal("something failed on our side; it is logged: try again, then tell the operator", reason="INTERNAL")


def of_code(code: int, message: str, reason: str) -> ServiceError:
    """The error with this number (google.rpc.Code)."""
    return _BY_NUMBER.get(code, Internal)(message, reason=reason)


def to_trailing_metadata(error: ServiceError) -> tuple[tuple[str, str | bytes], ...]:
    """The metadata that carries an error's reason beside its gRPC status."""
    detail = any_pb2.Any()
    detail.Pack(error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN))
    status = status_pb2.Status(code=error.code.value[0], message=error.message, details=[detail])
    # The channel retries what never reached a service; what a service refused is its caller's to try again.
    return ((_DETAILS_KEY, status.SerializeToString()), ("grpc-retry-pushback-ms", "-1"))


def from_rpc_error(error: grpc.aio.AioRpcError) -> ServiceError:
    """The error that a service raised, or the one its absence amounts to."""
    kind = _BY_CODE.get(error.code(), Internal)
    return kind(error.details() or error.code().name, reason=_reason_of(error) or error.code().name)


def _reason_of(error: grpc.aio.AioRpcError) -> str:
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS_KEY and isinstance(value, bytes):
            for detail in status_pb2.Status.FromString(value).details:
                info = error_details_pb2.ErrorInfo()
                if detail.Unpack(info):
                    return str(info.reason)
    return ""
