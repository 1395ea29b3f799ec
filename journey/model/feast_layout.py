"""How Feast lays out entity keys and values in its online stores, without Feast (entity key serialization version 3)."""

import struct
from collections.abc import Callable, Mapping

from journey.request_features import FeatureType
from journey.values.columns import Value

PROJECT = "journey"            # Feast's project: a store belongs to one Journey project, by its folder

Plain = str | int | float | bool
Cast = Callable[[Plain], Value]

CASTS: Mapping[FeatureType, Cast] = {"float": float, "integer": int, "boolean": bool, "category": str}
"""What a stored scalar becomes, by the type of its feature."""

_STRING, _INT64 = 2, 4         # Feast's ValueType
_UINT32 = struct.Struct("<I")
_PAST_LONG = 1 << 63
_DOUBLE, _FLOAT, _LONG = struct.Struct("<d"), struct.Struct("<f"), struct.Struct("<q")


def key_prefix(column: str) -> bytes:
    """The part of an entity key that every value of a key column shares."""
    name = column.encode()
    return _UINT32.pack(1) + _UINT32.pack(_STRING) + _UINT32.pack(len(name)) + name


def entity_key(prefix: bytes, key: Value) -> bytes | None:
    """An entity key; None where there is none: no store holds a missing key, an integer beyond 64 bits or text that is no UTF-8.

    Args:
        prefix: `key_prefix` of the key's column.
        key: the column's value, after its rule.
    """
    if isinstance(key, str):
        try:
            text = key.encode()
        except UnicodeEncodeError:
            return None
        return prefix + _UINT32.pack(_STRING) + _UINT32.pack(len(text)) + text
    if key is None:
        return None
    if isinstance(key, int) and not isinstance(key, bool):
        return prefix + _UINT32.pack(_INT64) + _UINT32.pack(8) + _LONG.pack(key) if -_PAST_LONG <= key < _PAST_LONG else None
    return entity_key(prefix, str(key))


def value_of(stored: bytes, cast: Cast) -> Value:
    """A feature's value as the model takes it; None where it is missing or no number.

    Raises:
        ValueError, IndexError, struct.error: these bytes hold something else.
    """
    plain = decoded(stored)
    return None if plain is None or plain != plain else cast(plain)


def decoded(value: bytes) -> Plain | None:
    """A scalar of Feast's protobuf message Value; empty is None.

    Raises:
        ValueError: the message holds something else, such as a list.
    """
    if not value:
        return None
    tag = value[0]
    if tag == 0x29:            # double_val = 5, eight bytes
        return float(_DOUBLE.unpack_from(value, 1)[0])
    if tag == 0x35:            # float_val = 6, four bytes
        return float(_FLOAT.unpack_from(value, 1)[0])
    if tag in (0x20, 0x18, 0x40):            # int64_val = 4, int32_val = 3, unix_timestamp_val = 8: varint
        number, _ = _varint(value, 1)
        return _signed(number)
    if tag == 0x38:            # bool_val = 7, varint
        return value[1] != 0
    if tag == 0x12:            # string_val = 2, length and UTF-8
        length, start = _varint(value, 1)
        return value[start : start + length].decode()
    raise ValueError(f"a value of Feast's field {tag >> 3}, which is no text, number or boolean")


def seconds_of(timestamp: bytes) -> int:
    """The whole seconds since 1970 of a protobuf Timestamp; it leaves out what is 0.

    Raises:
        ValueError: the message is none.
    """
    if not timestamp or timestamp[0] == 0x10:            # nothing, or only nanos = 2
        return 0
    if timestamp[0] != 0x08:            # seconds = 1: varint
        raise ValueError(f"a time that begins with Feast's field {timestamp[0] >> 3}")
    number, _ = _varint(timestamp, 1)
    return _signed(number)


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number


def _varint(message: bytes, start: int) -> tuple[int, int]:
    """A base-128 number and where it ends."""
    number = shift = 0
    while True:
        byte = message[start]
        start += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, start
        shift += 7
