"""Whom the client trusts: a broker that cannot show a certificate hears nothing, and the error says so."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kis import KisClient, NotSent, OrderKind, Outcome, Side, Unavailable
from kis.transport import download
from tests.kis.kis_wire import KEY, SECRET, Wire, WireTransport, config, sample


@pytest.fixture(scope="module")
def self_signed(tmp_path_factory):
    """A server's context whose certificate names this machine and is signed by nobody else."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    pem, private = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    file.write_bytes(key.private_bytes(pem, private, serialization.NoEncryption()) + certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


@pytest.fixture(params=["self-signed", "no TLS at all"])
def context(request, self_signed):
    return self_signed if request.param == "self-signed" else None


@asynccontextmanager
async def at_stranger(context, tmp_path):
    """A client that is led to a stranger; yields it, and what the stranger could read."""
    heard = bytearray()

    async def listen(reader, writer):
        try:
            heard.extend(await reader.read(65_536))
            writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
            await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def no_pause(_):
        await asyncio.sleep(0)

    server = await asyncio.start_server(listen, "127.0.0.1", 0, ssl=context)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with KisClient(config(tmp_path, rest_url=url), sleep=no_pause) as kis:
        yield kis, url, heard
    server.close()


async def store_token(tmp_path, url):
    """A client that meets KIS there has stored a token, so that the next one's first request is the call itself."""
    wire = Wire()
    wire.answer("inquire-price", sample("price"))
    async with KisClient(config(tmp_path, rest_url=url), transport=WireTransport(wire)) as another:
        await another.price("005930")


@pytest.mark.parametrize("has_token", [True, False])
async def test_a_read_is_unavailable_and_an_order_was_not_sent(tmp_path, context, has_token):
    async with at_stranger(context, tmp_path) as (kis, url, heard):
        if has_token:
            await store_token(tmp_path, url)
        for error, ask in (
            (Unavailable, kis.price("005930")),
            (NotSent, kis.buy("005930", 1, price=75_700, kind=OrderKind.LIMIT)),
        ):
            with pytest.raises(error, match="TLS") as caught:
                await ask
            assert type(caught.value) is error
            assert (caught.value.code, caught.value.status) == (None, None)
            assert "연결" in caught.value.advice.ko or "응답하지" in caught.value.advice.ko
        receipt = await kis.send(kis.written(Side.BUY, "005930", 1, price=75_700, kind=OrderKind.LIMIT))
        assert (receipt.outcome, receipt.sent, receipt.status) == (Outcome.NOT_SENT, False, None)
        assert "TLS" in receipt.message
        for secret in (KEY, SECRET, "token-1", "12345678"):
            assert secret.encode() not in heard


async def test_a_certificate_nobody_vouches_for_is_named(tmp_path, self_signed):
    async with at_stranger(self_signed, tmp_path) as (kis, _, _):
        with pytest.raises(Unavailable, match=r"self.signed certificate"):
            await kis.price("005930")


async def test_a_master_file_is_not_taken_from_a_stranger(tmp_path, context):
    async with at_stranger(context, tmp_path) as (_, url, _):
        with pytest.raises(Unavailable):
            await download(f"{url}/kospi_code.mst.zip")
