"""The job files name flags that exist, and workers as TensorFlow takes them."""

import json
import re
import subprocess

import pytest
import yaml

from flags import parse
from tests.conftest import ROOT
from tfcovid.training.distribution import cluster_of, count_of

KUBERNETES = ROOT / "deploy" / "kubernetes" / "train.yaml"
SLURM = ROOT / "deploy" / "slurm" / "train.sbatch"


@pytest.fixture(scope="module")
def job():
    service, job = yaml.safe_load_all(KUBERNETES.read_text())
    template = job["spec"]["template"]["spec"]
    assert service["metadata"]["name"] == template["subdomain"]
    assert service["spec"]["selector"]["job-name"] == job["metadata"]["name"]
    return job


@pytest.fixture(scope="module")
def worker(job):
    (container,) = job["spec"]["template"]["spec"]["containers"]
    return container


def test_the_command_of_each_pod_names_all_workers_and_itself(job, worker):
    count = job["spec"]["completions"]
    (workers,) = worker["env"]
    assert workers == {"name": "WORKERS", "value": str(count)}
    script = worker["command"][-1].partition("exec ")[0] + 'echo "$TF_CONFIG"'
    for index in range(count):
        done = subprocess.run(
            ["bash", "-euc", script],
            env={
                "WORKERS": str(count),
                "JOB_COMPLETION_INDEX": str(index),
                "PATH": "/bin:/usr/bin",
            },
            capture_output=True,
            text=True,
            check=True,
        )
        named = json.loads(done.stdout)
        name, domain = job["metadata"]["name"], job["spec"]["template"]["spec"]["subdomain"]
        assert named["cluster"]["worker"] == [f"{name}-{i}.{domain}:8888" for i in range(count)]
        assert named["task"] == {"type": "worker", "index": index}


def test_such_a_name_of_the_workers_is_taken(monkeypatch):
    hosts = [f"tfcovid-train-{index}.tfcovid-train:8888" for index in range(4)]
    task = {"type": "worker", "index": 3}
    named = {"TF_CONFIG": json.dumps({"cluster": {"worker": hosts}, "task": task})}
    monkeypatch.setenv("TF_CONFIG", named["TF_CONFIG"])
    resolver = cluster_of(named)
    assert count_of(resolver) == 4 and resolver.task_id == 3


def test_the_volumes_that_are_mounted_are_there(job, worker):
    volumes = {volume["name"] for volume in job["spec"]["template"]["spec"]["volumes"]}
    assert {mount["name"] for mount in worker["volumeMounts"]} == volumes


@pytest.mark.parametrize("path", [KUBERNETES, SLURM], ids=lambda path: path.name)
def test_the_flags_of_the_job_files_are_those_of_train(path):
    text = path.read_text()
    command = text[text.index("-m tfcovid.train") :]
    given = re.findall(r"--([a-z_]+)(=(?:\"[^\"]*\"|\S+))?", command)
    names = [name for name, _ in given]
    assert {"distribute", "workdir", "resume", "data_dir", "batch_size"} <= set(names)
    known = set(parse.absl_flags.FLAGS) | {"distribute", "resume"}
    assert set(names) <= known


def test_the_batch_script_is_one(tmp_path):
    done = subprocess.run(["bash", "-n", str(SLURM)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
