//! Small files of the data folder that are rewritten as they change.

use std::path::Path;

/// Writes a file beside its place and moves it there, so that there is always a whole one.
///
/// # Errors
/// What the system says.
pub fn write_whole(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let fresh = path.with_extension("new");
    std::fs::write(&fresh, content)?;
    std::fs::rename(&fresh, path)
}
