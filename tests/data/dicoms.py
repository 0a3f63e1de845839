"""DICOM files that the tests write themselves, with a patient planted in them."""

import io
import struct
import warnings

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

X_RAY_CLASS = "1.2.840.10008.5.1.4.1.1.1.1"
NAME, BIRTH_DATE, PATIENT_ID, SECRET = "Zimperlein^Quintus", "19580417", "PID-471100", "vault-9"
PLANTED = ("zimperlein", "quintus", BIRTH_DATE, PATIENT_ID.lower(), SECRET)


def dataset(pixels=None, *, bits_stored=None, syntax=ExplicitVRLittleEndian, **elements):
    """Returns a data set with a patient in it.

    Args:
      pixels: integers [height, width], or uint8 [height, width, 3]; None for no pixels.
      bits_stored: by default all of the pixels' type.
      syntax: transfer syntax UID.
      elements: further elements by keyword; None removes one.
    """
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = X_RAY_CLASS
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = "1.2.3.4"
    ds.Modality = "DX"
    ds.PatientName, ds.PatientBirthDate, ds.PatientID = NAME, BIRTH_DATE, PATIENT_ID
    ds.private_block(0x1001, "tfcovid test", create=True).add_new(1, "LO", SECRET)
    if pixels is not None:
        ds.Rows, ds.Columns = pixels.shape[:2]
        ds.SamplesPerPixel = 1 if pixels.ndim == 2 else 3
        ds.PhotometricInterpretation = "MONOCHROME2" if pixels.ndim == 2 else "RGB"
        if pixels.ndim == 3:
            ds.PlanarConfiguration = 0
        ds.BitsAllocated = pixels.dtype.itemsize * 8
        ds.BitsStored = bits_stored or ds.BitsAllocated
        ds.HighBit = ds.BitsStored - 1
        ds.PixelRepresentation = int(pixels.dtype.kind == "i")
        # Explicit, because pydicom would ask for it otherwise.
        ds.add_new("PixelData", "OB" if ds.BitsAllocated == 8 else "OW", _even(pixels.tobytes()))
    # Some tests want values that DICOM forbids.
    with warnings.catch_warnings(action="ignore"):
        for keyword, value in elements.items():
            if value is None:
                delattr(ds, keyword)
            else:
                setattr(ds, keyword, value)
    return ds


def encoded(ds):
    """Returns the bytes of a DICOM file."""
    stream = io.BytesIO()
    with warnings.catch_warnings(action="ignore"):
        pydicom.dcmwrite(stream, ds, enforce_file_format=True)
    return stream.getvalue()


def dicom(pixels=None, **arguments):
    """Returns the bytes of a DICOM file; see `dataset`."""
    return encoded(dataset(pixels, **arguments))


def compressed(pixels, syntax=RLELossless, **arguments):
    """Returns the bytes of a DICOM file with compressed pixels."""
    ds = dataset(pixels, **arguments)
    ds.compress(syntax, generate_instance_uid=False)
    return encoded(ds)


def encapsulated(pixels, stream, syntax, **arguments):
    """Returns the bytes of a DICOM file whose pixels are a compressed stream made elsewhere."""
    ds = dataset(pixels, syntax=syntax, **arguments)
    ds.PixelData = encapsulate([stream])
    ds["PixelData"].is_undefined_length = True
    return encoded(ds)


def lossless_jpeg(pixels, bits):
    """Returns a lossless JPEG: each pixel predicted by its left neighbour.

    Source: ITU-T T.81, annex H; every category of differences has a code of 5 bits.
    """
    height, width = pixels.shape
    code = ""
    for row in range(height):
        for column in range(width):
            if column:
                predicted = pixels[row, column - 1]
            else:
                predicted = pixels[row - 1, 0] if row else 2 ** (bits - 1)
            difference = int(pixels[row, column]) - int(predicted)
            category = abs(difference).bit_length()
            code += f"{category:05b}"
            if category:
                low = difference if difference > 0 else difference + 2**category - 1
                code += f"{low:0{category}b}"
    code += "1" * (-len(code) % 8)
    data = int(code, 2).to_bytes(len(code) // 8, "big").replace(b"\xff", b"\xff\0")
    counts = bytes([0, 0, 0, 0, 17, *[0] * 11])
    return b"".join(
        [
            b"\xff\xd8",
            b"\xff\xc4" + struct.pack(">HB", 36, 0) + counts + bytes(range(17)),
            b"\xff\xc3" + struct.pack(">HBHHBBBB", 11, bits, height, width, 1, 1, 0x11, 0),
            b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1, 0, 1, 0, 0),
            data,
            b"\xff\xd9",
        ]
    )


def lut(values, *, first=0, bits=16):
    """Returns the item of a modality or VOI LUT sequence: of the value `first` on, `values`."""
    item = Dataset()
    kind = "SS" if first < 0 else "US"
    item.add_new("LUTDescriptor", kind, [len(values) % 2**16, first, bits])
    item.add_new("LUTData", "US", [int(value) for value in values])
    return [item]


def _even(data):
    return data + b"\0" * (len(data) % 2)
