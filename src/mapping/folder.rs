//! Reading a folder: `module.json`, the files it names, `cases/*.json`. Every mistake is named with its file, and in it with key, line and column.
//!
//! Leaves out: when it is read and what it is used for (the host; the command `check`).

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::cases::{self, Case};
use super::place;
use super::row::Module;

/// The file that makes a folder a module.
pub const MANIFEST: &str = "module.json";
/// Files that one folder may have, and their size.
const FILES_MAX: usize = 1000;
const FILE_MAX: u64 = 1 << 20;

/// A folder that is good.
#[derive(Debug)]
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
    /// What `module.json` says.
    pub module: Module,
}

impl Folder {
    /// Reads a folder and the files that it names; its cases are read by [`Folder::cases`].
    ///
    /// # Errors
    /// What is wrong: file, key, line and column.
    pub fn read(path: &Path) -> Result<Folder, String> {
        let text = text(&path.join(MANIFEST)).map_err(|why| format!("{MANIFEST}: {why}"))?;
        let module = Module::read(&text).map_err(|why| format!("{MANIFEST}: {why}"))?;
        let wrong = |key: &str, why: String| {
            let (line, column) = place::of(&text, key);
            format!("{MANIFEST}: at {key}: {why} at line {line} column {column}")
        };
        let Some(backend) = &module.backend else {
            return Err(wrong("", "backend is missing: a folder says whose interfaces its rows call".into()));
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name != module.name {
            return Err(wrong("name", format!("the folder's name is {name}")));
        }
        for (key, file, secret) in backend.files() {
            own_file(path, file, secret).map_err(|why| wrong(key, why))?;
        }
        Ok(Folder { path: path.to_owned(), module })
    }

    /// The folder's cases, file by file.
    ///
    /// # Errors
    /// What is wrong with the first file that is no list of cases.
    pub fn cases(&self) -> Result<Vec<(String, Vec<Case>)>, String> {
        let folder = self.path.join("cases");
        let mut files: Vec<PathBuf> = match std::fs::read_dir(&folder) {
            Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(format!("cases: {error}")),
        };
        files.retain(|file| file.extension().is_some_and(|e| e == "json"));
        files.sort();
        files
            .into_iter()
            .map(|file| {
                let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                let named = |why: String| format!("cases/{name}.json: {why}");
                let cases = text(&file).and_then(|text| cases::read(&text)).map_err(named)?;
                Ok((name, cases))
            })
            .collect()
    }

    /// The bytes of one of its files.
    ///
    /// # Errors
    /// As the system says, or because others can read what is secret.
    pub fn file(&self, name: &str, secret: bool) -> Result<Vec<u8>, String> {
        let path = own_file(&self.path, name, secret)?;
        std::fs::read(path).map_err(|e| format!("the file {name}: {e}"))
    }
}

/// What a folder's files look like from outside: another value means that something has changed.
#[must_use]
pub fn fingerprint(path: &Path) -> Vec<(PathBuf, u64, Option<SystemTime>)> {
    let mut out = Vec::new();
    let mut folders = vec![(path.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(meta) = std::fs::metadata(entry.path()) else { continue };
            if meta.is_dir() && depth < 2 {
                folders.push((entry.path(), depth + 1));
            } else if meta.is_file() && out.len() < FILES_MAX {
                out.push((entry.path(), meta.len(), meta.modified().ok()));
            }
        }
    }
    out.sort();
    out
}

/// A file below the folder; a secret one that only its owner can read.
fn own_file(folder: &Path, name: &str, secret: bool) -> Result<PathBuf, String> {
    let path = Path::new(name);
    if path.components().any(|part| !matches!(part, std::path::Component::Normal(_))) {
        return Err(format!("{name} is no file of this folder"));
    }
    let path = folder.join(path);
    let meta = std::fs::metadata(&path).map_err(|e| format!("the file {name}: {e}"))?;
    if !meta.is_file() || meta.len() > FILE_MAX {
        return Err(format!("the file {name} is no file, or larger than {FILE_MAX} bytes"));
    }
    #[cfg(unix)]
    if secret {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = meta.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(format!("the file {name} can be read by others (mode {mode:03o}): chmod 600 {name}"));
        }
    }
    Ok(path)
}

fn text(path: &Path) -> Result<String, String> {
    let meta = std::fs::metadata(path).map_err(|e| e.to_string())?;
    if meta.len() > FILE_MAX {
        return Err(format!("it is larger than {FILE_MAX} bytes"));
    }
    let bytes = std::fs::read(path).map_err(|e| e.to_string())?;
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".into())
}
