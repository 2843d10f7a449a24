//! `blobs write FILE` makes a blob file of nine elements of every type, counted up; `blobs read FILE` prints what is in one:
//! type, offset, and the elements.
//!
//! The comparison with coremltools (`tools/coremltools/compare_blobs.py`) uses it.

use engrad_mil::blob::{BlobFile, BlobWriter, decode, stores};
use engrad_mil::{Constant, DType, TensorType};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["write", path] => {
            let mut writer = BlobWriter::new();
            for dtype in DType::all().filter(|&dtype| stores(dtype)) {
                let bytes: Vec<u8> = (1..=(9 * dtype.bits()).div_ceil(8) as u8).collect();
                // Through the elements, so that unused bits are zero.
                writer.add_data(dtype, &decode(dtype, 9, &bytes)?)?;
            }
            std::fs::write(path, writer.finish())?;
        }
        ["read", path] => {
            let bytes = std::fs::read(path)?;
            for blob in BlobFile::parse(&bytes)?.blobs() {
                let constant =
                    Constant { ty: TensorType::new(blob.dtype, [blob.count]), data: blob.decode()? };
                let values = constant.to_f64().map(|values| format!("{values:?}"));
                let bytes: String = blob.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                println!("{} {} {bytes} {}", blob.dtype, blob.offset, values.unwrap_or_default());
            }
        }
        _ => return Err("usage: blobs write|read FILE".into()),
    }
    Ok(())
}
