"""Films of patients who do not exist, with their names and numbers wherever a file has room."""

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydicom.dataset import Dataset

from tests.data.dicoms import dataset, encoded
from tests.data.images import encode

TAGS = {
    "PatientName": "Quarzmänn^Odilia",
    "PatientBirthDate": "19470923",
    "PatientBirthTime": "041733.771",
    "PatientAddress": "Mistelgasse-77",
    "PatientTelephoneNumbers": "0049-5550-661",
    "OtherPatientIDs": "OTHER-662244",
    "PatientMotherBirthName": "Tannhölzer",
    "PatientComments": "comment-of-Wendelgard",
    "AccessionNumber": "ACC-913377",
    "InstitutionName": "Klinik-Wolkenau",
    "ReferringPhysicianName": "Grubenhauer^Jost",
    "OperatorsName": "Hollerbusch^Ute",
    "StudyDescription": "study-of-Wendelgard",
    "StudyDate": "20310217",
    "DeviceSerialNumber": "SERIAL-730019",
}
PATIENT_ID = "PID-582200"
PRIVATE, CREATOR, NESTED = "tresor-4711", "tfcovid vault", "nest-8822"
IN_META, IN_PREAMBLE, IN_PADDING = "MURKWALD-AET", "preamble-6318", "padding-2093"
IN_UID = "915550177823"
UIDS = ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
# Parts of names too: one may be written without the other.
PARTS = ("Odilia", "Grubenhauer", "Hollerbusch", "Wendelgard", "Wolkenau")
DICOM_WORDS = (
    *TAGS.values(),
    *PARTS,
    PATIENT_ID,
    PRIVATE,
    CREATOR,
    NESTED,
    IN_META,
    IN_PREAMBLE,
    IN_PADDING,
    IN_UID,
)

TEXT_OF_PNG = ("Pflaumbaum, Ägidius", "zlib-of-Isidora", "utf8-of-Äbtissin")
TEXT_OF_JPEG = ("exif-of-Eberhardine", "comment-of-Eusebius", "xmp-of-Kunigunde", "tail-of-Sixtus")
PROFILE = "profile-of-Mechthild"
PICTURE_WORDS = (*TEXT_OF_PNG, *TEXT_OF_JPEG, PROFILE)
TABLE = {
    "patient_name": "Quarzmänn, Odilia",
    "birth_date": "1947-09-23",
    "referring": "Grubenhauer; Jost",
    "remarks": "remark-of-Walpurga",
}
TABLE_WORDS = (*TABLE.values(), "19470923", "Odilia", "Grubenhauer", "Walpurga")
IMAGE_DESCRIPTION, XP_COMMENT = 0x010E, 0x9C9C


def film(number, pixels, **elements):
    """Returns a DICOM file of patient `number`; every second one is in Latin-1, not in UTF-8.

    Args:
      number: of the patient.
      pixels: uint8 [height, width].
      elements: further elements by keyword.
    """
    code = "ISO_IR 192" if number % 2 else "ISO_IR 100"
    uids = dict.fromkeys(UIDS, f"1.2.826.{number}.{IN_UID}")
    given = {"PatientID": f"{PATIENT_ID}-{number}", "ViewPosition": "PA", **elements}
    ds = dataset(pixels, SpecificCharacterSet=code, **TAGS, **uids, **given)
    item, inner = Dataset(), Dataset()
    inner.CodeMeaning, inner.PatientName = NESTED, TAGS["PatientName"]
    item.OtherPatientIDs, item.ProcedureCodeSequence = TAGS["OtherPatientIDs"], [inner]
    item.private_block(0x1003, CREATOR, create=True).add_new(2, "LO", PRIVATE)
    ds.RequestAttributesSequence = [item]
    ds.private_block(0x1003, CREATOR, create=True).add_new(1, "LO", PRIVATE)
    ds.add_new("DataSetTrailingPadding", "OB", IN_PADDING.encode())
    ds.file_meta.MediaStorageSOPInstanceUID = uids["SOPInstanceUID"]
    ds.file_meta.SourceApplicationEntityTitle = IN_META
    ds.file_meta.PrivateInformationCreatorUID = f"1.2.840.{IN_UID}"
    ds.file_meta.PrivateInformation = PRIVATE.encode().ljust(12)
    ds.preamble = IN_PREAMBLE.encode().ljust(128, b"\0")
    return encoded(ds)


def png(pixels):
    """Returns a PNG file with words in each kind of text and in its colour profile."""
    info = PngInfo()
    info.add_text("Author", TEXT_OF_PNG[0])
    info.add_text("Comment", TEXT_OF_PNG[1], zip=True)
    info.add_itxt("Title", TEXT_OF_PNG[2], zip=True)
    return encode(pixels, "PNG", pnginfo=info, icc_profile=PROFILE.encode())


def jpeg(pixels):
    """Returns a JPEG file with words in EXIF, XMP, comment, colour profile and behind its end."""
    exif = Image.Exif()
    exif[IMAGE_DESCRIPTION] = TEXT_OF_JPEG[0]
    exif[XP_COMMENT] = TEXT_OF_JPEG[0].encode("utf-16-le")
    return (
        encode(
            pixels,
            "JPEG",
            exif=exif,
            comment=TEXT_OF_JPEG[1],
            xmp=TEXT_OF_JPEG[2].encode(),
            icc_profile=PROFILE.encode(),
        )
        + TEXT_OF_JPEG[3].encode()
    )


def chests(number, *, size=64):
    """Yields a folder name and pixels uint8 [size, size], the ill ones with a bright half."""
    rng = np.random.default_rng(5)
    for index in range(number):
        ill = index % 2
        pixels = rng.integers(0, 200, (size, size), dtype=np.uint8)
        pixels[size // 2 :] += np.uint8(ill * 50)
        yield ("pneumonia" if ill else "normal"), pixels


def odd_films(pixels):
    """Returns DICOM files that are refused or half wrong, by name; their words stand elsewhere."""
    name, day = "HOLLERBUSCH", TAGS["PatientBirthDate"]
    good = film(901, pixels[::-1])
    return {
        "ct.dcm": film(902, pixels, Modality="CT"),
        "loud.dcm": film(903, pixels, Modality=name, SOPClassUID=f"1.2.{IN_UID}"),
        "view.dcm": film(904, pixels.T, ViewPosition=name, PatientSex=name, PatientAge=day),
        "codes.dcm": film(905, pixels, PhotometricInterpretation=name),
        "syntax.dcm": good.replace(b"1.2.840.10008.1.2.1\0", f"1.2.{IN_UID}.44\0".encode()),
        "cut.dcm": good[: len(good) - 3000],
        "header.dcm": good[:700],
        "text.dcm": "\n".join(DICOM_WORDS).encode(),
    }
