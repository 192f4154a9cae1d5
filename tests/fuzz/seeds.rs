//! Writes a valid record of each kind into the folder that is named.

use std::path::PathBuf;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let named = env::args_os().nth(1).ok_or(io::ErrorKind::InvalidInput)?;
    let folder = PathBuf::from(named);
    fs::create_dir_all(&folder)?;
    for (number, sample) in ttg_runtime::foreign::samples().into_iter().enumerate() {
        fs::write(folder.join(format!("sample-{number}")), sample)?;
    }
    Ok(())
}
