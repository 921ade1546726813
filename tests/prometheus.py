#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""conf/prometheus.yml, the alerts and the dashboard against a real Prometheus that scrapes a real tnmd.

`make check-prometheus` runs it. Everything listens on 127.0.0.1 and lives in a temporary folder;
what was started here is ended here.
"""
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CONF = os.path.join(ROOT, "conf")
BUILD = os.environ.get("TNM_BUILD", os.path.join(ROOT, "build"))
WAIT_S = 60
checks = 0


def expect(good, text):
    global checks
    checks += 1
    if not good:
        sys.exit(f"FAILED: {text}")


def until(condition, text):
    """Waits for a condition; returns what it gave."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        found = condition()
        if found:
            expect(True, text)
            return found
        time.sleep(0.2)
    sys.exit(f"FAILED: not within {WAIT_S} s: {text}")


def run(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True, **more)
    expect(done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


# ---- The files by themselves ----


def check_files():
    run("promtool", "check", "config", "prometheus.yml", cwd=CONF)
    lint = run("promtool", "check", "rules", "tnm-alerts.yml", cwd=CONF)
    expect("rules found" in lint.stdout, lint.stdout)
    run("promtool", "test", "rules", "tnm-alerts-test.yml", cwd=CONF)
    # A test of alerts that cannot fail is none: spoil each rule, and the tests must notice.
    with open(os.path.join(CONF, "tnm-alerts.yml")) as f:
        rules = f.read()
    names = re.findall(r"alert: (\w+)", rules)
    expect(len(names) >= 9, "alerts")
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(os.path.join(CONF, "tnm-alerts-test.yml"), folder)
        for name in names:
            spoilt = re.sub(rf"(alert: {name}\n +)expr: (\|\n( {{10}}.*\n)+|.*\n)", r"\1expr: vector(0) > 1\n", rules)
            expect(spoilt != rules, f"{name} can be spoilt")
            with open(os.path.join(folder, "tnm-alerts.yml"), "w") as f:
                f.write(spoilt)
            done = subprocess.run(["promtool", "test", "rules", "tnm-alerts-test.yml"], cwd=folder, capture_output=True)
            expect(done.returncode != 0, f"the tests notice when {name} never fires")
    return rules


def check_dashboard():
    """What Grafana 9 and 10 need to import it. Returns its expressions."""
    with open(os.path.join(CONF, "grafana-tnm.json")) as f:
        board = json.load(f)
    for key, kind in (("title", str), ("uid", str), ("schemaVersion", int), ("panels", list), ("templating", dict),
                      ("time", dict), ("annotations", dict), ("tags", list)):
        expect(isinstance(board.get(key), kind), f"dashboard: {key}")
    expect(36 <= board["schemaVersion"] <= 39, "the schema of Grafana 9 and 10")
    expect(board["id"] is None, "a dashboard that is imported has no id")
    expect(len(board["uid"]) <= 40, "uid")
    variables = {v["name"]: v for v in board["templating"]["list"]}
    expect(variables["datasource"]["type"] == "datasource" and variables["datasource"]["query"] == "prometheus", "source")
    expressions, ids, cells = [], set(), {}
    for panel in board["panels"]:
        title = panel["title"]
        expect(panel["id"] not in ids, f"{title}: id")
        ids.add(panel["id"])
        expect(panel["type"] in ("row", "stat", "timeseries", "table", "bargauge"), f"{title}: type")
        pos = panel["gridPos"]
        expect(pos["w"] > 0 and pos["h"] > 0 and pos["x"] >= 0 and pos["x"] + pos["w"] <= 24, f"{title}: place")
        for y in range(pos["y"], pos["y"] + pos["h"]):
            for x in range(pos["x"], pos["x"] + pos["w"]):
                expect(cells.setdefault((x, y), title) == title, f"{title} lies on {cells[(x, y)]}")
        if panel["type"] == "row":
            continue
        expect(panel["datasource"]["uid"] == "${datasource}", f"{title}: source")
        expect({"defaults", "overrides"} <= panel["fieldConfig"].keys(), f"{title}: fields")
        letters = [t["refId"] for t in panel["targets"]]
        expect(letters and len(set(letters)) == len(letters), f"{title}: queries")
        expressions += [(title, t["expr"]) for t in panel["targets"]]
    for annotation in board["annotations"]["list"]:
        expressions.append((annotation["name"], annotation["expr"]))
    for _, expression in expressions:
        used = set(re.findall(r"\$(\w+)", expression)) - {"__rate_interval"}
        expect(used <= variables.keys(), f"variables of {expression}")
    expressions += [(f"variable {name}", re.sub(r"label_values\((.*), \w+\)", r"\1", v["definition"]))
                    for name, v in variables.items() if v["type"] == "query"]
    return expressions


# ---- tnmd ----


class Tnmd:
    def __init__(self, folder):
        self.models = os.path.join(folder, "models")
        os.mkdir(self.models)
        for name in ("mnist-mlp-dense", "mnist-mlp-5bit", "mnist-mlp-packed-3k"):
            shutil.copy(os.path.join(ROOT, "models", name + ".tnm"), self.models)
        self.process = subprocess.Popen(
            [os.path.join(BUILD, "tnmd"), "--listen", "127.0.0.1:0", "--models", self.models],
            stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if "listening on http://" in line:
                self.address = line.rsplit("//", 1)[1].strip()
                return
        sys.exit("FAILED: tnmd did not start")

    def ask(self, method, path, body=None):
        request = urllib.request.Request(f"http://{self.address}{path}", data=body, method=method)
        try:
            with urllib.request.urlopen(request, timeout=WAIT_S) as reply:
                return reply.status, reply.read()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read()

    def work(self):
        """A little of everything that is counted."""
        stripe = bytes(255 if 12 <= x <= 15 and 4 <= y <= 23 else 0 for y in range(28) for x in range(28))
        for model in ("mnist-mlp-dense", "mnist-mlp-5bit", "mnist-mlp-packed-3k"):
            expect(self.ask("POST", f"/classify?model={model}", stripe)[0] == 200, model)
        expect(self.ask("POST", "/classify", b"P5 28 28 255\n" + stripe)[0] == 200, "a picture")
        expect(self.ask("GET", "/nothing")[0] == 404, "an unknown path")
        expect(self.ask("POST", "/models/mnist-mlp-dense/activate", b"")[0] == 200, "a swap")


def check_metrics(tnmd):
    status, text = tnmd.ask("GET", "/metrics")
    expect(status == 200, "GET /metrics")
    lint = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True)
    expect(lint.returncode == 0 and not lint.stdout + lint.stderr, f"promtool check metrics\n{lint.stdout}{lint.stderr}")
    with open(os.path.join(ROOT, "daemon", "API.md")) as f:
        manual = f.read()
    for name in re.findall(r"# TYPE (\w+)", text.decode()):
        expect(f"`{name}`" in manual or name.startswith("process_"), f"API.md describes {name}")


# ---- Prometheus ----


class Prometheus:
    def __init__(self, folder, target):
        with open(os.path.join(CONF, "prometheus.yml")) as f:
            config = f.read()
        expect("127.0.0.1:8080" in config and "15s" in config, "what is replaced below")
        config = config.replace("127.0.0.1:8080", target).replace("15s", "1s")
        with open(os.path.join(folder, "prometheus.yml"), "w") as f:
            f.write(config)
        shutil.copy(os.path.join(CONF, "tnm-alerts.yml"), folder)
        self.url = f"http://127.0.0.1:{free_port()}"
        self.log = open(os.path.join(folder, "log"), "w+")
        self.process = subprocess.Popen(
            ["prometheus", "--config.file", os.path.join(folder, "prometheus.yml"), "--storage.tsdb.path",
             os.path.join(folder, "data"), "--web.listen-address", self.url[len("http://"):]],
            stdout=self.log, stderr=subprocess.STDOUT)

    def get(self, path, **parameters):
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}") as reply:
                return json.load(reply)
        except urllib.error.HTTPError as refused:
            return json.load(refused) if refused.code < 500 else {"data": {}}  # 503: not ready yet
        except OSError:  # not up yet
            expect(self.process.poll() is None, "Prometheus runs")
            return {"data": {}}

    def query(self, expression):
        reply = self.get("query", query=expression)
        expect(reply.get("status") == "success", f"{expression}\n{reply}")
        return reply["data"]["result"]


SELECTOR = re.compile(r"\b((?:tnm|process)_\w+|up)\b(\{[^}]*\})?")


def check_expression(prometheus, title, expression, gives):
    """Every selector finds series, and the whole can be evaluated."""
    filled = expression.replace("$__rate_interval", "10s")
    filled = re.sub(r"\$(job|instance|model)", ".*", filled)
    selectors = ["".join(s) for s in SELECTOR.findall(filled)]
    expect(selectors, f"{title}: {expression} asks for a metric")
    for selector in selectors:
        expect(prometheus.query(f"count({selector})"), f"{title}: no series {selector}")
    result = prometheus.query(filled)
    expect(result or not gives, f"{title}: {expression} gives nothing")


def check_scrape(prometheus, tnmd, rules, expressions):
    def target():
        found = prometheus.get("targets")["data"].get("activeTargets", [])
        return found and found[0]["health"] != "unknown" and found[0]
    scraped = until(target, "the first scrape")
    expect(scraped["health"] == "up" and not scraped["lastError"], f"scraped: {scraped}")
    until(lambda: prometheus.query("sum(tnm_requests_total) > 0"), "samples")
    tnmd.work()
    until(lambda: prometheus.query('rate(tnm_inferences_total{model="mnist-mlp-dense"}[30s]) > 0'), "a rate")
    for title, expression in expressions:
        gives = title != "A swap"  # the annotation is empty while nothing changes
        check_expression(prometheus, title, expression, gives)
    for alert in re.findall(r"expr: (\|\n(?: {10}.*\n)+|.*\n)", rules):
        check_expression(prometheus, "alert", alert.removeprefix("|\n"), gives=False)


def check_alert(prometheus, tnmd):
    def firing():
        return [a["labels"]["alertname"] for a in prometheus.get("alerts")["data"]["alerts"] if a["state"] == "firing"]
    expect(firing() == [], f"a daemon that is well fires {firing()}")
    with open(os.path.join(tnmd.models, "broken.tnm"), "wb") as f:
        f.write(b"not a model")
    until(lambda: "TnmModelRefused" in firing(), "the alert of a refused file")


def check_unload(prometheus, tnmd):
    one = 'count(tnm_model_bytes{model="mnist-mlp-packed-3k"})'
    expect(prometheus.query(one), "three models")
    os.unlink(os.path.join(tnmd.models, "mnist-mlp-packed-3k.tnm"))
    until(lambda: not prometheus.query(one), "series of a removed model go")
    expect(prometheus.query('count({model="mnist-mlp-packed-3k"})') == [], "all of them")


def main():
    rules = check_files()
    expressions = check_dashboard()
    with tempfile.TemporaryDirectory() as folder:
        started = []
        try:
            tnmd = Tnmd(folder)
            started.append(tnmd.process)
            tnmd.work()
            check_metrics(tnmd)
            prometheus = Prometheus(folder, tnmd.address)
            started.append(prometheus.process)
            check_scrape(prometheus, tnmd, rules, expressions)
            check_alert(prometheus, tnmd)
            check_unload(prometheus, tnmd)
        finally:
            for process in reversed(started):
                process.terminate()
                process.wait(WAIT_S)
    print(f"prometheus: {checks} checks, {len(expressions)} expressions of the dashboard, all good")


if __name__ == "__main__":
    main()
