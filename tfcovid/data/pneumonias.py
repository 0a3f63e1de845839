"""Which findings are a pneumonia, by what causes it."""

from tfcovid.data.sources.reading import Finding

BACTERIA = (
    Finding.BACTERIAL,
    Finding.CHLAMYDOPHILA,
    Finding.E_COLI,
    Finding.KLEBSIELLA,
    Finding.LEGIONELLA,
    Finding.MYCOPLASMA,
    Finding.STREPTOCOCCUS,
)
VIRUSES = (Finding.VIRAL, Finding.INFLUENZA, Finding.MERS, Finding.SARS, Finding.VARICELLA)
OTHER_PNEUMONIAS = (Finding.PNEUMONIA, Finding.PNEUMOCYSTIS, Finding.LIPOID)
PNEUMONIAS = (*BACTERIA, *VIRUSES, *OTHER_PNEUMONIAS)
