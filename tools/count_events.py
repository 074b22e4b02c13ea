# SPDX-License-Identifier: Apache-2.0
"""Counts the tests in an event stream of Swift Testing: count_events.py FILE STATUS

Prints `PASSED FAILED SKIPPED`, and to standard error why tests were skipped or failed. STATUS is the runner's exit
status: one that is not zero counts as a failure when no event explains it, for example after a crash.
"""

import json
import sys


def main():
    path, status = sys.argv[1], int(sys.argv[2])
    functions, ended, skipped, failed = {}, set(), {}, {}
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.readlines()
    except FileNotFoundError:
        lines = []
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue  # the last line of a run that crashed
        payload = record["payload"]
        if record["kind"] == "test":
            if payload["kind"] == "function":
                functions[payload["id"]] = payload.get("displayName") or payload["name"]
            continue
        test = payload.get("testID")
        text = " ".join(message["text"] for message in payload.get("messages", []))
        if payload["kind"] == "testEnded":
            ended.add(test)
        elif payload["kind"] == "testSkipped":
            skipped[test] = text
        elif payload["kind"] == "issueRecorded" and payload["issue"].get("isFailure", True):
            failed.setdefault(test, text)

    passed_count = failed_count = skipped_count = 0
    for test, name in functions.items():
        # A suite that is skipped or fails takes its tests with it.
        holders = [other for other in skipped if other and (test == other or test.startswith(other + "/"))]
        if test in failed:
            failed_count += 1
            print(f"failed: {name} ({test}): {failed[test]}", file=sys.stderr)
        elif holders:
            skipped_count += 1
            print(skipped[holders[0]].strip() or f"skipped: {name}", file=sys.stderr)
        elif test in ended:
            passed_count += 1
        else:
            failed_count += 1
            print(f"failed: {name} ({test}) did not come to its end", file=sys.stderr)
    for test, text in failed.items():
        if test not in functions:
            failed_count += 1
            print(f"failed: {test or 'outside a test'}: {text}", file=sys.stderr)
    if failed_count == 0 and status != 0:
        failed_count += 1
        print(f"failed: the runner ended with status {status}, and no test says why", file=sys.stderr)
    print(passed_count, failed_count, skipped_count)


main()
