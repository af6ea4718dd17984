#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A running daemon's HTTP pages, without a kubelet: it lives, is not ready, and promtool accepts its metrics."""
import json
import queue
import signal
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request
from pathlib import Path

import cleave

SECONDS = 10


class Daemon:
    def __init__(self, folder):
        kubelet = Path(folder) / "kubelet"
        (kubelet / "device-plugins").mkdir(parents=True)
        config = Path(folder) / "cleave.toml"
        config.write_text("")
        self.lines = queue.Queue()
        self.process = subprocess.Popen(
            [cleave.binary(), "serve", "--config", config, "--root", cleave.unpack("tenstorrent-4x-n300", folder),
             "--kubelet-dir", kubelet, "--http", "127.0.0.1:0", "--node-name", "node-a", "--log-format", "json"],
            stderr=subprocess.PIPE, text=True)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stderr:
            self.lines.put(line)
        self.lines.put(None)

    def address(self):
        seen = []
        deadline = time.monotonic() + SECONDS
        while (left := deadline - time.monotonic()) > 0:
            try:
                line = self.lines.get(timeout=left)
            except queue.Empty:
                break
            if line is None:
                break
            seen.append(line)
            entry = json.loads(line)
            if entry.get("msg") == "http listening":
                return entry["address"]
        raise AssertionError("no line says 'http listening':\n" + "".join(seen))

    def stop(self):
        """The exit status after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(SECONDS)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stderr.close()


class Pages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.daemon = Daemon(cls.folder.name)
        cls.addClassCleanup(cls.daemon.process.kill)
        cls.address = cls.daemon.address()

    def get(self, path, method="GET"):
        """Status, content type and body."""
        request = urllib.request.Request(f"http://{self.address}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                return answer.status, answer.headers["Content-Type"], answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers["Content-Type"], error.read().decode()

    def test_lives(self):
        self.assertEqual(self.get("/healthz")[0], 200)

    def test_not_ready_without_a_kubelet(self):
        status, _, body = self.get("/readyz")
        self.assertEqual(status, 503)
        self.assertTrue(body.strip(), "no reason is given")

    def test_nothing_else(self):
        self.assertEqual(self.get("/metrics/more")[0], 404)
        self.assertEqual(self.get("/etc/passwd")[0], 404)

    def test_metrics_are_labelled(self):
        deadline = time.monotonic() + SECONDS
        while True:  # the pages are there before the machine was looked at
            status, kind, body = self.get("/metrics")
            self.assertEqual(status, 200)
            if 'resource="' in body or time.monotonic() > deadline:
                break
            time.sleep(0.02)
        self.assertTrue(kind.startswith("text/plain"), kind)
        self.assertIn('resource="tenstorrent.com/n300"', body)
        for line in body.splitlines():
            if line and not line.startswith("#"):
                self.assertRegex(line, r"^(cleave|process)_")

    def test_promtool_accepts_the_metrics(self):
        self.test_metrics_are_labelled()
        body = self.get("/metrics")[2]
        result = subprocess.run([cleave.promtool(), "check", "metrics"], input=body, capture_output=True, text=True)
        self.assertEqual((result.returncode, result.stdout + result.stderr), (0, ""))

    def test_zz_ends_when_told(self):
        self.assertEqual(self.daemon.stop(), 0)


if __name__ == "__main__":
    cleave.main()
