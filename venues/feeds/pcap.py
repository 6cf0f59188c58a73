"""UDP payloads of a capture file: libpcap's classic format over Ethernet and IPv4, plain or gzip.

Rule of this file: a packet at a time, and what is no whole UDP packet is counted with its reason. A capture that was
stopped in the middle of its last packet is no damage; anything else that is cut or impossible is refused.

Source: IETF draft-ietf-opsawg-pcap, "PCAP Capture File Format"; RFC 791; RFC 768.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from router.domain.errors import TapeError, bad_value
from venues.feeds.blocks import refuse
from venues.feeds.stream_feed import Notes

PACKET_MAX = 1 << 18
"""Longest packet: libpcap's own bound. Above it a length is garbage."""

_HEADER_BYTES, _RECORD_BYTES = 24, 16
_MAGIC = {0xA1B2C3D4, 0xA1B23C4D}
_NEXT_GENERATION = b"\x0a\x0d\x0d\x0a"
_ETHERNET_LINK, _IPV4, _VLAN, _UDP = 1, 0x0800, 0x8100, 17
_FRAGMENT = 0x3FFF  # more fragments, or an offset


def udp_payloads(path: Path, notes: Notes) -> Iterator[tuple[int, bytes]]:
    """Yield each UDP payload with the number of its packet, from 1.

    Raises:
        TapeError: unreadable, truncated gzip, another format or link than Ethernet, or a length above `PACKET_MAX`.
    """
    record = 0
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            order = _byte_order(path, file.read(_HEADER_BYTES))
            lengths = struct.Struct(f"{order}8xII")
            while head := file.read(_RECORD_BYTES):
                record += 1
                captured, sent = lengths.unpack(head) if len(head) == _RECORD_BYTES else (1, 1)
                if captured > PACKET_MAX:
                    raise refuse(path.name, record, f"a packet of at most {PACKET_MAX} bytes", captured)
                packet = file.read(captured)
                place = f"{path.name} record {record}"
                if len(packet) < captured:
                    notes.skip("packet cut at the end of the capture", 1, place)
                elif captured < sent:
                    notes.skip("packet cut by the capture", 1, place)
                elif (payload := _payload(packet)) is None:
                    notes.skip("no whole UDP packet", 1, place)
                else:
                    yield record, payload
    except (OSError, EOFError, zlib.error) as exc:
        raise refuse(path.name, record + 1, "a whole, readable capture", str(exc) or type(exc).__name__) from exc
    if not record:
        raise TapeError(bad_value(path.name, "at least one packet", 0))


def _byte_order(path: Path, head: bytes) -> str:
    place = f"{path.name} header"
    if head[:4] == _NEXT_GENERATION:
        raise TapeError(bad_value(place, "a capture of the classic pcap format", "pcapng"))
    for order in "<>":
        if len(head) == _HEADER_BYTES and struct.unpack(f"{order}I", head[:4])[0] in _MAGIC:
            (link,) = struct.unpack(f"{order}I", head[20:])
            if link & 0xFFFF != _ETHERNET_LINK:
                raise TapeError(bad_value(place, "packets of Ethernet (link type 1)", link))
            return order
    raise TapeError(bad_value(place, "a pcap header of 24 bytes", head.hex()))


def _payload(packet: bytes) -> bytes | None:
    """Return what a UDP packet carries, None for any other packet.

    >>> ip = bytes([0x45, 0, 0, 31]) + bytes(5) + bytes([17]) + bytes(10)
    >>> _payload(bytes(12) + b"\\x08\\x00" + ip + bytes([0, 1, 0, 2, 0, 11, 0, 0]) + b"abc")
    b'abc'
    """
    start = 14
    kind = int.from_bytes(packet[12:14])
    if kind == _VLAN:
        start, kind = 18, int.from_bytes(packet[16:18])
    if kind != _IPV4 or len(packet) < start + 28:
        return None
    words = packet[start] & 0x0F
    udp = start + 4 * words
    is_fragment = int.from_bytes(packet[start + 6 : start + 8]) & _FRAGMENT
    if packet[start] >> 4 != 4 or words < 5 or is_fragment or packet[start + 9] != _UDP or len(packet) < udp + 8:
        return None
    end = udp + int.from_bytes(packet[udp + 4 : udp + 6])
    return packet[udp + 8 : end] if udp + 8 <= end <= len(packet) else None
