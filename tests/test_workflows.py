"""The public workflows: actions pinned, least permissions, and nothing that the project lacks."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.name)
def workflow(request):
    return request.param


def jobs_of(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]


def test_there_are_workflows_for_tests_releases_and_the_night():
    assert {"tests.yml", "release.yml", "nightly.yml"} <= {path.name for path in WORKFLOWS}


def test_actions_are_pinned_by_hash_with_their_version(workflow):
    used = re.findall(r"uses: (.+)", workflow.read_text(encoding="utf-8"))
    foreign = [each for each in used if not each.startswith("./")]
    assert foreign
    for each in foreign:
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+(\.\d+)*", each)


def test_jobs_may_read_and_only_publishing_may_more(workflow):
    assert yaml.safe_load(workflow.read_text(encoding="utf-8"))["permissions"] == {}
    for name, job in jobs_of(workflow).items():
        more = {"id-token": "write", "attestations": "write"} if name == "publish" else {}
        assert job["permissions"] == {"contents": "read", **more}
        for step in job.get("steps", ()):
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_what_a_job_runs_is_in_the_project(workflow):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    groups = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for job in jobs_of(workflow).values():
        for step in job.get("steps", ()):
            said = step.get("run", "")
            for target in re.findall(r"make (\w+)", said):
                assert re.search(rf"^{target}:", makefile, re.M), target
            for group in re.findall(r"--group (\w+)", said):
                assert re.search(rf"^{group} = \[", groups, re.M), group
            for file in re.findall(r"-c (\S+)", said):
                assert (ROOT / file).is_file()


def test_the_oldest_versions_are_the_floors_of_the_project():
    said = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    floors = {
        name.lower(): version
        for name, version in re.findall(r'"([\w.-]+?)(?:\[\w+\])?>=([\d.]+)', said)
    }
    oldest = (ROOT / "constraints-oldest.txt").read_text(encoding="utf-8")
    pinned = re.findall(r"^([\w.-]+)==([\d.]+)$", oldest, re.M)
    assert len(pinned) > 10
    for name, version in pinned:
        if name != "torch":
            assert (version + ".0").startswith(floors[name.lower()] + "."), name


def test_the_citation_has_the_version_of_the_project():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.M)
    assert citation["version"] == version.group(1)
