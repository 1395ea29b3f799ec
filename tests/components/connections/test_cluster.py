import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from components.connections import api_server, pod_log
from components.connections.api_server import ApiServer
from components.connections.cluster import Absent, Cluster, Forbidden, QuotaExceeded
from journey.errors import Conflict, ProjectError, Unavailable
from tests.api_server import BROKEN, Answer, Credentials, WrittenServer, refused, written_server

PODS = "/api/v1/namespaces/payments/pods"
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WrittenServer]:
    monkeypatch.setattr(api_server, "_FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(pod_log, "_PAUSE_SECONDS", 0.01)
    with written_server() as found:
        yield found


def test_an_object_is_applied_server_side_as_journeys_own(server: WrittenServer) -> None:
    server.answer("PATCH /apis/apps/v1/namespaces/payments/deployments/server", Answer(200, {"kind": "Deployment"}))

    server.cluster.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "server"}})

    assert server.asked == ["PATCH /apis/apps/v1/namespaces/payments/deployments/server?fieldManager=journey&force=true"]


def test_a_namespace_lies_in_none(server: WrittenServer) -> None:
    server.answer("GET /api/v1/namespaces/payments", Answer(200, {"kind": "Namespace"}))

    assert server.cluster.get("Namespace", "payments") == {"kind": "Namespace"}


def test_what_is_not_there_is_none_and_may_be_deleted(server: WrittenServer) -> None:
    assert server.cluster.get("Pod", "x") is None
    server.cluster.delete("Pod", "x")


def test_what_is_deleted_takes_what_it_owns_with_it(server: WrittenServer) -> None:
    server.answer("DELETE /apis/batch/v1/namespaces/payments/jobs/run", Answer(200, {}))

    server.cluster.delete("Job", "run", grace_seconds=5, propagation="Foreground")

    assert server.bodies[0]["propagationPolicy"] == "Foreground"
    assert server.bodies[0]["gracePeriodSeconds"] == 5


def test_a_list_is_selected_by_labels_and_fields(server: WrittenServer) -> None:
    server.answer(f"GET {PODS}", Answer(200, {"items": [POD]}))

    assert server.cluster.list("Pod", "journey/run=a", "status.phase=Running") == [POD]
    assert server.asked == [f"GET {PODS}?labelSelector=journey%2Frun%3Da&fieldSelector=status.phase%3DRunning"]


def test_a_missing_right_is_named_with_what_to_grant(server: WrittenServer) -> None:
    user = "system:serviceaccount:payments:journey-executor"
    message = f'pods is forbidden: User "{user}" cannot create resource "pods" in API group "" in the namespace "payments"'
    server.answer(f"POST {PODS}", refused(403, message))

    with pytest.raises(Forbidden, match="Role with verb create on pods, bound to payments/journey-executor"):
        server.cluster.create(POD)


def test_a_full_quota_is_told_as_a_quota(server: WrittenServer) -> None:
    message = 'pods "x" is forbidden: exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2'
    server.answer(f"POST {PODS}", refused(403, message))

    with pytest.raises(QuotaExceeded, match="exceeded quota: small, requested: pods=1"):
        server.cluster.create(POD)


def test_a_policy_that_refuses_is_quoted(server: WrittenServer) -> None:
    server.answer(f"POST {PODS}", refused(403, 'pods "x" is forbidden: serviceaccount "journey-step" not found'))

    with pytest.raises(Forbidden, match='serviceaccount "journey-step" not found'):
        server.cluster.create(POD)


@pytest.mark.parametrize(("status", "kind"), [(409, Conflict), (422, ProjectError), (401, Unavailable), (404, Absent)])
def test_refusals_are_told_apart(server: WrittenServer, status: int, kind: type[Exception]) -> None:
    server.answer(f"POST {PODS}", refused(status, "no"))

    with pytest.raises(kind, match=r"create Pod payments/x: .*no"):
        server.cluster.create(POD)


def test_a_server_that_is_busy_is_asked_again(server: WrittenServer) -> None:
    server.answer(f"GET {PODS}/x", refused(503, "starting"), Answer(0), refused(429, "slowly"), Answer(200, POD))

    assert server.cluster.get("Pod", "x") == POD


def test_an_object_whose_answer_was_lost_is_no_conflict_with_itself(server: WrittenServer) -> None:
    server.answer(f"POST {PODS}", Answer(0), refused(409, "already exists"))

    assert server.cluster.create(POD) == "x"


def test_another_ones_object_is_none_of_ours_though_we_were_told_to_wait_first(server: WrittenServer) -> None:
    server.answer(f"POST {PODS}", refused(429, "slowly"), refused(409, "already exists"))

    with pytest.raises(Conflict):
        server.cluster.create(POD)


def test_a_server_that_is_surely_there_is_waited_for_also_before_its_first_answer(server: WrittenServer, monkeypatch) -> None:
    monkeypatch.setattr(api_server, "_FIRST_PATIENCE_SECONDS", 0.02)
    server.answer(f"GET {PODS}/x", *[refused(503, "starting")] * 5, Answer(200, POD))

    assert server.cluster.get("Pod", "x") == POD, "its first answer shows that the address is right"
    known = Cluster(ApiServer(server.credentials, "the pod's service account", known=True), "payments")
    server.answer(f"GET {PODS}/x", Answer(0), Answer(0), Answer(200, POD))
    try:
        assert known.get("Pod", "x") == POD
    finally:
        known.close()


def test_a_server_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_server, "_FIRST_PATIENCE_SECONDS", 0.02)
    cluster = Cluster(ApiServer(Credentials("http://127.0.0.1:1"), "KUBECONFIG's current context"), "payments")

    with pytest.raises(Unavailable, match=r"http://127.0.0.1:1 \(KUBECONFIG's current context\).*refused"):
        cluster.get("Pod", "x")
    cluster.close()


@pytest.mark.parametrize("written", [None, "", "hello", "a: [b\n", "apiVersion: v1\nkind: Config\n"])
def test_a_configuration_that_cannot_be_read_is_told_in_one_line(
    written: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "kubeconfig"
    if written is not None:
        path.write_text(written)
    monkeypatch.setenv("KUBECONFIG", str(path))

    with pytest.raises(Unavailable, match=r"^Kubernetes: expected a configuration .*, found: .+[^.]\. Export KUBECONFIG"):
        Cluster.connect("payments")


def test_each_request_carries_the_token_of_now(server: WrittenServer) -> None:
    server.cluster.get("Pod", "x")
    server.credentials.token = "Bearer second"
    server.cluster.get("Pod", "x")

    assert server.tokens == ["Bearer first", "Bearer second"]


def test_a_service_is_reached_through_the_server_with_its_credentials(server: WrittenServer) -> None:
    server.answer("GET /api/v1/namespaces/payments/services/registry:5000/proxy/v2/", Answer(200, {}))
    url, client = server.cluster.proxy("registry", 5000)

    with client:
        assert client.get(f"{url}/v2/").status_code == 200
    assert server.tokens == ["Bearer first"]


def certificate(folder: Path, name: str) -> Path:
    """A certificate for a name, signed by itself, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), datetime.now(UTC)
    built = x509.CertificateBuilder(subject, subject, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
    signed = built.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False).sign(key, hashes.SHA256())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "server.pem").write_bytes(signed.public_bytes(Encoding.PEM) + private)
    return folder / "server.pem"


def test_a_server_behind_another_address_is_known_by_its_own_name_also_on_the_way_to_a_service(tmp_path: Path) -> None:
    class Quiet(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *values: object) -> None:  # noqa: A002  the base class's name
            pass

    path = certificate(tmp_path, "kubernetes")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    credentials = Credentials(f"https://127.0.0.1:{server.server_port}", ssl_ca_cert=str(path), tls_server_name="kubernetes")
    cluster = Cluster(ApiServer(credentials, "a tunnel"), "payments")
    try:
        assert cluster.get("Pod", "x") == {}
        url, client = cluster.proxy("registry", 5000)
        with client:
            assert client.get(url).status_code == 200
    finally:
        cluster.close()
        server.shutdown()
        thread.join()
        server.server_close()


def at(second: int, text: str) -> str:
    return f"2026-11-21T15:00:{second:02}.000000000Z {text}\n"


def test_a_log_is_whole_and_keeps_carriage_returns_in_their_lines(server: WrittenServer) -> None:
    server.answer(f"GET {PODS}/x/log", Answer(200, at(1, "10 %\r20 %") + at(2, "") + at(3, "done").rstrip()))

    assert server.cluster.log("x") == "10 %\r20 %\n\ndone\n"


def test_a_log_that_breaks_goes_on_where_it_was(server: WrittenServer) -> None:
    server.answer(
        f"GET {PODS}/x/log",
        Answer(200, at(1, "a") + at(2, "b") + at(2, "c"), end=BROKEN),
        Answer(0),
        Answer(200, at(2, "b") + at(2, "c") + at(2, "d") + at(1, "late")),
        Answer(200, at(2, "b") + at(2, "c") + at(2, "d") + at(3, "e")),
    )
    server.answer(f"GET {PODS}/x", Answer(200, {"status": {"phase": "Running"}}), Answer(200, {"status": {"phase": "Succeeded"}}))

    assert list(server.cluster.log_lines("x")) == ["a", "b", "c", "d", "late", "e"]
    assert "sinceTime=2026-11-21T15%3A00%3A02.000000000Z" in server.asked[-2]


def test_the_log_of_a_container_that_has_not_started_is_absent(server: WrittenServer) -> None:
    server.answer(f"GET {PODS}/x/log", refused(400, 'container "step" in pod "x" is waiting to start: ContainerCreating'))

    with pytest.raises(Absent, match="waiting to start"):
        server.cluster.log("x")


def test_a_log_that_a_kubelet_has_forgotten_for_a_moment_goes_on(server: WrittenServer) -> None:
    forgotten = refused(404, 'pod "x" does not exist')
    server.answer(f"GET {PODS}/x/log", Answer(200, at(1, "a"), end=BROKEN), forgotten, forgotten, Answer(200, at(1, "a") + at(2, "b")))
    running = Answer(200, {"status": {"phase": "Running"}})
    server.answer(f"GET {PODS}/x", running, running, Answer(200, {"status": {"phase": "Succeeded"}}))

    assert list(server.cluster.log_lines("x")) == ["a", "b"]


def test_silence_is_waited_through_for_as_long_as_the_pod_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pod_log, "_PAUSE_SECONDS", 0.0)
    silent = iter(range(3 * pod_log._TRIES))

    def opened(since: str | None) -> Iterator[str]:
        if next(silent, None) is not None:
            raise httpx.ReadTimeout("silent")
        yield at(1, "a").rstrip()

    assert list(pod_log.followed(opened, lambda: next(silent, None) is not None, RuntimeError)) == ["a"]


@pytest.mark.parametrize("follows", [True, False], ids=["followed", "read once"])
def test_what_a_container_wrote_last_is_read_also_after_a_silence(monkeypatch: pytest.MonkeyPatch, follows: bool) -> None:
    monkeypatch.setattr(pod_log, "_PAUSE_SECONDS", 0.0)
    stalls, running = [True, True], [follows, False]

    def opened(since: str | None) -> Iterator[str]:
        if since is None:
            yield at(1, "a").rstrip()
        if stalls and stalls.pop():
            raise httpx.ReadTimeout("stalled")
        yield at(2, "last").rstrip()

    assert list(pod_log.followed(opened, lambda: bool(running) and running.pop(0), RuntimeError)) == ["a", "last"]


def test_a_log_whose_pod_is_taken_away_ends(server: WrittenServer) -> None:
    server.answer(f"GET {PODS}/x/log", Answer(200, at(1, "a"), end=BROKEN), refused(404, "not found"))

    assert list(server.cluster.log_lines("x")) == ["a"]


def test_a_log_that_the_node_has_put_away_with_its_container_ends(server: WrittenServer) -> None:
    put_away = refused(400, 'container "step" in pod "x" is terminated')
    server.answer(f"GET {PODS}/x/log", Answer(200, at(1, "a"), end=BROKEN), put_away)

    assert list(server.cluster.log_lines("x")) == ["a"]
