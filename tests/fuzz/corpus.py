"""The corpus: small whole files of every kind, made when they are asked for."""

import io
import json
import pickle
import struct
import warnings
import zipfile
from collections import OrderedDict

import numpy as np
import torch
from PIL import Image
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian, JPEGBaseline8Bit, RLELossless

from tests.data import dicoms
from tests.data.images import encode, noise, smooth

HEIGHT, WIDTH = 40, 48


def images() -> list[bytes]:
    """Returns JPEG, PNG and GIF files in every mode that is read, and a BMP, which is not."""
    gray, colour = noise(HEIGHT, WIDTH), smooth(HEIGHT, WIDTH)
    picture = Image.fromarray(colour)
    deep = np.random.default_rng(0).integers(0, 4096, (HEIGHT, WIDTH)).astype(np.uint16)
    frames = [Image.fromarray(smooth(HEIGHT, WIDTH, seed=n)).convert("P") for n in range(3)]
    return [
        encode(gray, "JPEG"),
        encode(colour, "JPEG", progressive=True, comment=b"film"),
        encode(picture.convert("CMYK"), "JPEG"),
        encode(colour, "JPEG", restart_marker_blocks=2, optimize=True),
        encode(smooth(150, 200), "JPEG", progressive=True, quality=30, exif=_exif()),
        encode(gray, "PNG"),
        encode(colour, "PNG"),
        encode(picture.convert("P"), "PNG"),
        encode(picture.convert("1"), "PNG"),
        encode(picture.convert("RGBA"), "PNG"),
        encode(picture.convert("LA"), "PNG"),
        encode(deep, "PNG"),
        encode(smooth(150, 200), "PNG", dpi=(300, 300), icc_profile=b"profile" * 30),
        encode(picture.convert("P"), "GIF"),
        encode(frames[0], "GIF", save_all=True, append_images=frames[1:], transparency=0),
        encode(gray, "BMP"),
    ]


def _exif():
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def dicom_files() -> list[bytes]:
    """Returns DICOM films in every way of storing pixels that is read."""
    gray, colour = noise(HEIGHT, WIDTH), smooth(HEIGHT, WIDTH)
    deep = np.random.default_rng(0).integers(0, 4096, (HEIGHT, WIDTH)).astype(np.uint16)
    ramp = np.arange(4096) // 16
    jpeg = encode(gray, "JPEG")
    return [
        dicoms.dicom(gray, PatientAge="045Y", PatientSex="F", ViewPosition="PA"),
        dicoms.dicom(deep, bits_stored=12, WindowCenter=2000, WindowWidth=1500),
        dicoms.dicom(deep, bits_stored=12, VOILUTSequence=dicoms.lut(ramp, bits=8)),
        dicoms.dicom(deep, bits_stored=12, ModalityLUTSequence=dicoms.lut(ramp)),
        dicoms.dicom(deep, PhotometricInterpretation="MONOCHROME1", RescaleSlope=2),
        dicoms.dicom(colour),
        dicoms.dicom(deep, syntax=ImplicitVRLittleEndian, bits_stored=12),
        dicoms.dicom(gray, syntax=ExplicitVRBigEndian),
        dicoms.compressed(deep, RLELossless, bits_stored=12),
        dicoms.encapsulated(gray, jpeg, JPEGBaseline8Bit),
        dicoms.dicom(_palette_pixels(), **_palette()),
    ]


def _palette_pixels():
    return noise(HEIGHT, WIDTH)


def _palette():
    table = {"PhotometricInterpretation": "PALETTE COLOR"}
    for colour in ("Red", "Green", "Blue"):
        table[f"{colour}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        table[f"{colour}PaletteColorLookupTableData"] = bytes(range(256)) * 2
    return table


def _tensors():
    rng = np.random.default_rng(0)
    return OrderedDict(
        {
            "conv1.weight": torch.tensor(rng.normal(size=(4, 3, 3, 3)).astype(np.float32)),
            "bn1.running_var": torch.ones(4, dtype=torch.float64),
            "bn1.num_batches_tracked": torch.tensor(7),
            "fc.weight": torch.ones(2, 4).to(torch.bfloat16),
            "fc.bias": torch.zeros(2).to(torch.float16),
        }
    )


def _saved(content, **options):
    stream = io.BytesIO()
    torch.save(content, stream, **options)
    return stream.getvalue()


def torch_zips() -> list[bytes]:
    """Returns checkpoints in the format of PyTorch since 1.6."""
    return [
        _saved(_tensors()),
        _saved({"state_dict": _tensors(), "epoch": 3, "acc": np.float64(1)}),
    ]


def torch_pickles() -> list[bytes]:
    """Returns checkpoints in the older format."""
    old = {"_use_new_zipfile_serialization": False}
    return [_saved(_tensors(), **old), _saved({"model": _tensors(), "epoch": 3}, **old)]


def safetensors_files() -> list[bytes]:
    """Returns .safetensors files, one with a note on itself."""
    from safetensors.numpy import save

    tensors = {name: value.float().numpy() for name, value in _tensors().items()}
    return [save(tensors), save(tensors, metadata={"format": "pt"})]


def npz_files() -> list[bytes]:
    """Returns snapshots of a training, as `Snapshots` writes them."""
    text = json.dumps({"needs": [], "progress": {"epoch": 1, "seed": 0}}).encode()
    stream = io.BytesIO()
    arrays = {"variable/0": np.ones((3, 4), np.float32), "variable/1": np.arange(5)}
    np.savez(stream, progress=np.frombuffer(text, np.uint8), **arrays)
    return [stream.getvalue()]


CORONAHACK = (
    ",X_ray_image_name,Label,Dataset_type,Label_2_Virus_category,Label_1_Virus_category\n"
    "0,IM-0128-0001.jpeg,Normal,TRAIN,,\n1,person1_virus_2.jpeg,Pnemonia,TEST,,Virus\n"
    "2,person4_bacteria_5.jpeg,Pnemonia,TEST,,bacteria\n3,a.png,Pnemonia,TRAIN,COVID-19,Virus\n"
)
COVID_CHESTXRAY = (
    "patientid,offset,sex,age,finding,view,modality,folder,filename\n"
    "2,0,M,65,Pneumonia/Viral/COVID-19,PA,X-ray,images,a.png\n"
    "4,3,,,No Finding,L,X-ray,images,b.png\n5,,F,40,Pneumonia,Axial,CT,volumes,c.nii.gz\n"
)
NIH14 = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Sex,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]\n"
    "a.png,Cardiomegaly|Effusion,0,1,58,M,PA,2682,2749,.143,.143\n"
    "b.png,No Finding,0,2,414,F,PA,2682,2749,.143,.143\n"
    "c.png,Pneumonia,0,3,6,F,AP,2682,2749,.143,.143\n"
)
ANY_TABLE = (
    "path,finding,patient_id,source,view,sex,age,split\na.png,Normal,p1,one,PA,F,60,train\n"
    'b.png,COVID-19,p2,two,AP,M,,test\nc.png,"Pneumonia",,,,,33.5,\n'
)
PATIENTS = (
    "image,patient_id,view,sex,age,source\na.png,p1,PA,F,60,one\nb.png,p2,,M,,\na.png,p3,,,,\n"
)


def manifests() -> list[bytes]:
    """Returns a manifest with two classes in three splits."""
    lines = ["image,path,label,split,fold,patient_id,group_id,source,view,sex,age,sha256,width"]
    lines[0] += ",height,mode"
    for number, split in enumerate(("train", "validation", "test") * 2):
        label = ("Normal", "COVID-19")[number // 3]
        digest = f"{number:064x}"
        lines.append(
            f"{number}.png,train/{number}.png,{label},{split},0,p{number},g{number},one,PA,F,"
            f"6{number},{digest},48,40,L"
        )
    return ["\n".join(lines).encode() + b"\n"]


class Planted:
    """Makes a file when it is unpickled: what no reader may do."""

    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return (open, (str(self.canary), "w"))


def planted_pickle(canary) -> bytes:
    """Returns a pickle that makes the file `canary` when it is loaded."""
    return pickle.dumps(Planted(canary), protocol=2)


def planted_checkpoints(canary) -> dict[str, bytes]:
    """Returns checkpoints of PyTorch with a planted object, by how they are stored."""
    tensors = dict(_tensors()) | {"planted": Planted(canary)}
    return {
        "zip": _saved(tensors),
        "pickle": _saved(tensors, _use_new_zipfile_serialization=False),
        "bare": planted_pickle(canary),
    }


def planted_npz(canary) -> bytes:
    """Returns an .npz archive with an array of objects, one planted."""
    stream = io.BytesIO()
    np.savez(stream, progress=np.array([Planted(canary)], dtype=object), allow_pickle=True)
    return stream.getvalue()


def zip_bomb(name: str, num_bytes: int) -> bytes:
    """Returns a zip archive with a member of so many zeros, a thousandth of that long."""
    stream, info = io.BytesIO(), zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_DEFLATED
    with (
        zipfile.ZipFile(stream, "w") as archive,
        archive.open(info, "w", force_zip64=True) as member,
    ):
        for _ in range(0, num_bytes, 1 << 20):
            member.write(bytes(1 << 20))
    return stream.getvalue()


def npy_claiming(shape: tuple[int, ...]) -> bytes:
    """Returns an .npy file of a few bytes that claims an array of any shape."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


def quietly(make):
    """Returns what a function returns, its library's warnings ignored."""
    with warnings.catch_warnings(action="ignore"):
        return make()
