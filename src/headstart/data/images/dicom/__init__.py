"""Pictures in DICOM files, by pydicom: levels of grey, frames, and groups by patient without a word of who it is."""
