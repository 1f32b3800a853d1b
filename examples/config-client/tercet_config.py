"""The configuration of a Tercet center for a service in Python: the standard library, nothing else (README.md)."""
import hashlib, itertools, json, os, pathlib, random, threading, time, urllib.parse, urllib.request, uuid


class Number(float):
    """Keeps its text: canonical JSON has numbers as the center writes them."""
    def __init__(self, text):
        self.text = text


def canonical(value):
    """RFC 8785: keys by their UTF-16 code units, no white space."""
    if isinstance(value, dict):
        pairs = sorted((name.encode("utf-16-be"), canonical(name), canonical(part)) for name, part in value.items())
        return "{" + ",".join(name + ":" + part for _, name, part in pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    return value.text if isinstance(value, Number) else json.dumps(value, ensure_ascii=False)


def checksum(value):
    return hashlib.sha256(canonical(value).encode()).hexdigest()


class Config:
    """`current` is what `take` made of the contents by namespace. Where it raises, the old one stays."""

    def __init__(self, url, environment, namespaces, instance, take=dict, key=None, file=None, max_age_s=86400, secrets=False):
        self.base, self.instance, self.take, self.file = f"{url}/v1/config/{environment}", instance, take, file
        self.query = {"namespaces": ",".join(namespaces), "instance": instance, **({"secrets": "plain"} if secrets else {})}
        self.headers = {"content-type": "application/json", **({"authorization": f"Bearer {key}"} if key else {})}
        self.current, self.revision, self.secrets, self.told = None, 0, secrets, {"incarnation": uuid.uuid4().hex, "ttlMs": 60000}
        try:
            self.follow(wait_ms=0)
        except Exception:  # The center is away: with what it confirmed last, if that is not too long ago.
            if not file or abs(time.time() - os.path.getmtime(file)) > max_age_s:
                raise
            self.accept(pathlib.Path(file).read_text("utf-8"))
            self.revision = 0  # The center's word counts more.
        threading.Thread(target=self.run, daemon=True).start()

    def call(self, path, body=None, timeout=5):
        request = urllib.request.Request(self.base + path, body, self.headers, method="PUT" if body else "GET")
        return urllib.request.urlopen(request, timeout=timeout).read().decode()

    def follow(self, wait_ms=10000):
        query = urllib.parse.urlencode({**self.query, "waitMs": wait_ms})
        if text := self.call("/values?" + query, timeout=wait_ms / 1000 + 5):
            self.accept(text)
        if self.file and self.state["state"] == "applied":  # Also what was there already: the center has confirmed it.
            with open(f"{self.file}.new", "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as kept:
                kept.write(self.text.encode())
            os.replace(f"{self.file}.new", self.file)

    def accept(self, text):
        values = json.loads(text, parse_float=Number)
        if checksum(given := values["namespaces"]) != values["checksum"] or values["revision"] < self.revision:
            raise ValueError("the contents are damaged, or older than what was there")
        self.query["have"] = values["checksum"]
        try:  # One assignment: nobody sees half of a release.
            self.current = self.take({name: each["content"] for name, each in given.items()})
            self.text, self.state = text, {"state": "applied"}
        except Exception as error:
            if self.current is None:
                raise
            self.state = {"state": "rejected", "reason": type(error).__name__ if self.secrets else str(error) or "rejected"}
        self.revision, known = values["revision"], (lambda c: {}) if self.secrets else (lambda c: {"checksum": checksum(c)})
        self.told["namespaces"] = {n: {"release": e["release"], **known(e["content"]), **self.state} for n, e in given.items()}

    def report(self):
        self.call(f"/nodes/{urllib.parse.quote(self.instance)}", json.dumps(self.told).encode())

    def run(self):
        for step in itertools.cycle((self.report, self.follow)):
            try:
                step()
            except Exception:
                time.sleep(1 + 4 * random.random())
