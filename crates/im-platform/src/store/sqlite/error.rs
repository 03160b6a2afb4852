//! From SQLite's errors to the store's.

use rusqlite::{Error, ErrorCode, ffi};

use crate::store::StoreError;

/// Whether the disk is full, or a file could not be written or made longer.
pub fn is_unwritable(error: &Error) -> bool {
    const WRITES: [i32; 4] = [
        ffi::SQLITE_IOERR_WRITE,
        ffi::SQLITE_IOERR_SHMSIZE,
        ffi::SQLITE_IOERR_TRUNCATE,
        ffi::SQLITE_IOERR_FSYNC,
    ];
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
        || error.sqlite_error().is_some_and(|e| WRITES.contains(&e.extended_code))
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        match error.sqlite_error_code() {
            // A quota or a limit of file size, which SQLite reports as an error of input and output.
            _ if is_unwritable(&error) => Self::Full(Box::new(error)),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt(Box::new(error)),
            _ => Self::Failed { doing: "using SQLite", source: Box::new(error) },
        }
    }
}
