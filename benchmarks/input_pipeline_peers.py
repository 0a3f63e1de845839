"""The peers of benchmarks/input_pipeline.py, in an environment of their own.

    python3.11 -m venv .venv-peers
    .venv-peers/bin/pip install -r benchmarks/requirements-peers-torch.txt

`benchmarks.input_pipeline` starts this script with that environment's Python and asks it, a line
of JSON at a time, which settings it has and to run one of them once. It imports nothing of tfcovid.
Loaders are kept from run to run, their workers with them; the run before the first that counts
starts them. A run is an epoch, and its answer images a second.

MONAI: `CacheDataset`, one fused `RandAffined`, metadata not tracked. torchxrayvision: a data set of
its own kind, its `normalize` and its transforms or torchvision's; files through its `imread` and
`XRayResizer`.
"""

import argparse
import itertools
import json
import math
import pathlib
import sys
import time

import numpy as np
import torch

SIZE_PX = 224
WORKERS = (0, 1, 2, 4)
ROTATION_DEGREES, TRANSLATION, ZOOM, BRIGHTNESS, CONTRAST = 10.0, 0.05, 0.1, 0.1, 0.1
BATCH = {"cached": 32, "jpeg": 8, "png": 8}


def import_torchxrayvision():
    """Returns the package; torchvision's build for CUDA needs stubs beside PyTorch's for a CPU."""
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        global _stubs  # They last as long as the library object does.
        _stubs = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            _stubs.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchxrayvision

    return torchxrayvision


def load_gray(image):
    return image.convert("L")


def monai_cached(images):
    """Returns MONAI's data set of images in memory, augmented at each use."""
    from monai import data, transforms

    data.set_track_meta(False)
    affine = transforms.RandAffined(
        keys="image",
        prob=1.0,
        rotate_range=math.radians(ROTATION_DEGREES),
        translate_range=TRANSLATION * SIZE_PX,
        scale_range=ZOOM,
        mode="bilinear",
        padding_mode="border",
        cache_grid=True,
        spatial_size=(SIZE_PX, SIZE_PX),
    )
    steps = [
        transforms.EnsureTyped(keys="image", dtype=torch.float32, track_meta=False),
        affine,
        transforms.RandShiftIntensityd(keys="image", offsets=BRIGHTNESS * 255, prob=1.0),
        transforms.RandScaleIntensityd(keys="image", factors=CONTRAST, prob=1.0),
    ]
    return data.CacheDataset(
        [{"image": image[..., 0][None]} for image in images],
        transforms.Compose(steps),
        copy_cache=False,
        progress=False,
    )


def monai_files(paths):
    """Returns MONAI's data set of image files, made small at each use."""
    from monai import data, transforms

    data.set_track_meta(False)
    steps = [
        transforms.LoadImaged(
            keys="image", reader=data.PILReader(converter=load_gray), image_only=True
        ),
        transforms.EnsureChannelFirstd(keys="image", channel_dim="no_channel"),
        transforms.Resized(keys="image", spatial_size=(SIZE_PX, SIZE_PX), mode="area"),
    ]
    return data.Dataset([{"image": path} for path in paths], transforms.Compose(steps))


class XRayImages(torch.utils.data.Dataset):
    """Images in memory in the way of torchxrayvision's data sets: float32, normalised, a sample."""

    def __init__(self, images, kind):
        xrv = import_torchxrayvision()
        from torchvision import transforms

        self.images, self.xrv, self.kind = images, xrv, kind
        affine = transforms.RandomAffine(
            ROTATION_DEGREES,
            translate=(TRANSLATION, TRANSLATION),
            scale=(1 - ZOOM, 1 + ZOOM),
            interpolation=transforms.InterpolationMode.BILINEAR,
        )
        jitter = transforms.ColorJitter(BRIGHTNESS, CONTRAST)
        if kind == "PIL":
            self.transform = transforms.Compose([transforms.ToPILImage(), affine, jitter])
        else:
            self.transform = transforms.Compose([torch.from_numpy, affine, jitter])

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        image = self.images[index]
        image = image if self.kind == "PIL" else np.ascontiguousarray(image[..., 0][None])
        changed = np.asarray(self.transform(image)).reshape(1, SIZE_PX, SIZE_PX)
        return {"idx": index, "img": self.xrv.utils.normalize(changed, 255)}


class XRayFiles(torch.utils.data.Dataset):
    """Image files in the way of torchxrayvision's data sets: read, normalised, made small."""

    def __init__(self, paths, engine):
        xrv = import_torchxrayvision()
        self.paths, self.imread = paths, xrv.datasets.imread
        self.normalize = xrv.utils.normalize
        self.resizer = xrv.datasets.XRayResizer(SIZE_PX, engine=engine)

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        image = self.normalize(self.imread(self.paths[index]), 255, reshape=True)
        return {"idx": index, "img": self.resizer(image)}


def process_loader(dataset, batch_size, workers):
    return torch.utils.data.DataLoader(
        dataset,
        batch_size,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        worker_init_fn=one_thread,
    )


def thread_loader(dataset, batch_size, workers):
    from monai.data import ThreadDataLoader

    return ThreadDataLoader(
        dataset,
        batch_size=batch_size,
        shuffle=True,
        num_workers=workers,
        use_thread_workers=workers > 0,
        persistent_workers=workers > 0,
    )


def one_thread(_):
    torch.set_num_threads(1)


def settings(case, source):
    """Returns of each peer and setting (PyTorch's threads, what makes its loader)."""
    if case == "cached":
        datasets = {
            "MONAI": {"": lambda: monai_cached(source)},
            "torchxrayvision": {
                "tensors, ": lambda: XRayImages(source, "tensors"),
                "PIL, ": lambda: XRayImages(source, "PIL"),
            },
        }
    else:
        datasets = {
            "MONAI": {"": lambda: monai_files(source)},
            "torchxrayvision": {
                f"{engine}, ": lambda engine=engine: XRayFiles(source, engine)
                for engine in ("skimage", "cv2")
            },
        }
    found = {}
    for peer, kinds in datasets.items():
        for (kind, make), workers in itertools.product(kinds.items(), WORKERS):
            if peer == "torchxrayvision" and workers in (1, 4):
                continue  # There are two kinds to try: these are left out for time alone.
            found[f"{peer}: {kind}{workers} workers"] = (
                torch.get_num_threads() if workers == 0 else 1,
                lambda make=make, workers=workers: process_loader(make(), BATCH[case], workers),
            )
    for workers, threads in ((0, 1), (0, 2), (2, 1)):
        found[f"MONAI: thread loader, {workers} workers, {threads} threads"] = (
            threads,
            lambda workers=workers: thread_loader(datasets["MONAI"][""](), BATCH[case], workers),
        )
    return found


def epoch(loader):
    """Goes through the data set once and returns the number of its images."""
    return sum(len(batch["image"] if "image" in batch else batch["img"]) for batch in loader)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cached", help="NumPy file, uint8 [n, 224, 224, 1].")
    parser.add_argument("--jpeg", help="Text file, a path a line.")
    parser.add_argument("--png", help="Text file, a path a line.")
    args = parser.parse_args()
    answers = sys.stdout
    sys.stdout = sys.stderr  # Libraries print.
    known, loaders = {}, {}
    for line in sys.stdin:
        asked = json.loads(line)
        case = asked["case"]
        if case not in known:
            path = pathlib.Path(getattr(args, case))
            known[case] = np.load(path) if case == "cached" else path.read_text().split("\n")
        source = known[case][: asked.get("images")]
        if asked["do"] == "list":
            answer = list(settings(case, source))
        elif asked["do"] == "drop":
            loaders.clear()
            answer = None
        else:
            key = (case, asked["setting"], len(source))
            threads, make = settings(case, source)[asked["setting"]]
            torch.set_num_threads(threads)
            if key not in loaders:
                loaders[key] = make()
                epoch(loaders[key])
            begun = time.perf_counter()
            count = epoch(loaders[key])
            answer = count / (time.perf_counter() - begun)
        print(json.dumps({"answer": answer}), file=answers, flush=True)


if __name__ == "__main__":
    main()
