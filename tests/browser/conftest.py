"""A real Chromium in front of a real server in this process, which answers at once and can be held back."""

import re
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Dialog, Page, sync_playwright
from werkzeug.serving import make_server

from app.database import database_url, open_database
from app.service import Event, Service
from app.web import create_app
from indexer.ingest import IngestSettings, Store, ingest
from tests.fakes import HashEmbedder, handmade_evidence

DOCUMENTS = {
    "leave.md": "# Leave policy\n\n## Parental leave\n\n"
    + "".join(f"Paragraph {n} says nothing of interest to anyone at all.\n\n" for n in range(150))
    + "Each parent gets 45 working days of paid parental leave. Apply eight weeks before it starts.\n\n"
    + "".join(f"Later paragraph {n} says even less than those before it did.\n\n" for n in range(150)),
    "zaitaku.md": "# 在宅勤務規程\n\n𠮷野さんの👩‍💻 担当。\n\n在宅勤務は週に3日までとする。申請は前日までに行う。\n",
    "hostile.txt": 'The hostile file says <img src=x onerror="window.hacked=1"><script>window.hacked=1</script>.\n',
}
ENGLISH = "Does each parent get working days of paid parental leave?"
JAPANESE = "在宅勤務は週に3日まで？"
UNRELATED = "Quantum chromodynamics lattice"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class HeldService(Service):
    """The real service, which waits before its last event while `gate` is closed, and fails there if told to."""

    def __init__(self, store: Store) -> None:
        super().__init__(store, HashEmbedder())
        self.gate = threading.Event()
        self.failing = False

    def ask_events(
        self,
        question: str,
        collection: str | None,
        path: str | None = None,
        history: Sequence[str] = (),
        cancelled: threading.Event | None = None,
    ) -> Iterator[Event]:
        """The events of the service, held back before the answer."""
        for event in super().ask_events(question, collection, path, history, cancelled):
            if event.name == "answer":
                assert self.gate.wait(30)
                if self.failing:
                    raise RuntimeError("told to fail")
            yield event


@dataclass
class Site:
    """The server, and the folder it was indexed from."""

    url: str
    service: HeldService
    store: Store
    documents: Path

    def index(self) -> None:
        """Indexes the folder as it is now."""
        ingest(self.store, HashEmbedder(), "handbook", [self.documents], IngestSettings())


def write_documents(folder: Path) -> None:
    for name, content in DOCUMENTS.items():
        (folder / name).write_text(content, encoding="utf-8")


@pytest.fixture(scope="session")
def running_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    documents, home = tmp_path_factory.mktemp("documents"), tmp_path_factory.mktemp("home")
    write_documents(documents)
    store = Store(open_database(database_url(None, home)), home)
    service = HeldService(store)
    server = make_server("127.0.0.1", 0, create_app(service), threaded=True)
    site = Site(f"http://127.0.0.1:{server.server_port}", service, store, documents)
    site.index()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("generator.ranking.evidence_models", handmade_evidence)
        thread.start()
        yield site
        server.shutdown()
        thread.join()


@pytest.fixture
def site(running_site: Site) -> Iterator[Site]:
    """The server with its gate open, as it was in the beginning."""
    running_site.service.gate.set()
    running_site.service.failing = False
    yield running_site
    running_site.service.gate.set()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium is installed (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield running
        running.close()


@dataclass
class Watch:
    """What a page must not do: errors in the console, violations of its policy, requests to elsewhere."""

    url: str
    troubles: list[str] = field(default_factory=list)

    def follow(self, page: Page) -> None:
        """Watches a page from now on."""
        page.on("pageerror", lambda error: self.troubles.append(f"uncaught: {error}"))
        page.on("console", lambda message: self._read(message.type, message.text))
        page.on("request", lambda request: self._check(request.url))
        page.on("dialog", self._dismiss)

    def _read(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.troubles.append(f"{kind}: {text}")

    def _dismiss(self, dialog: Dialog) -> None:
        self.troubles.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _check(self, url: str) -> None:
        if not url.startswith(f"{self.url}/"):
            self.troubles.append(f"request to {url}")

    def forgive(self, pattern: str) -> None:
        """Forgets what was expected; it must have happened."""
        matching = [trouble for trouble in self.troubles if re.search(pattern, trouble)]
        assert matching, f"nothing like {pattern} among {self.troubles}"
        self.troubles = [trouble for trouble in self.troubles if trouble not in matching]


@pytest.fixture
def watch(site: Site) -> Iterator[Watch]:
    """Fails a test whose pages misbehaved, whatever else they did."""
    watching = Watch(site.url)
    yield watching
    assert watching.troubles == []


OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, site: Site, watch: Watch) -> Iterator[OpenPage]:
    """Opens a path in a browser of the given language and width."""
    contexts = []

    def _open(path: str = "/", locale: str = "en-GB", width: int = 1280) -> Page:
        context = browser.new_context(locale=locale, viewport={"width": width, "height": 800})
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()
        watch.follow(page)
        response = page.goto(site.url + path)
        assert response is not None
        assert response.status == 200
        return page

    yield _open
    for context in contexts:
        context.close()
