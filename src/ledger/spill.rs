//! Spill: settlements that the database cannot take now, in a file of one JSON line each.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::Path;

use super::rows::Settled;

/// The file of one replica, which nobody else may have. What is in it survives a crash.
#[derive(Debug)]
pub(super) struct Spill {
    file: File,
    is_empty: bool,
}

impl Spill {
    /// Opens the file, and gives what is in it from an earlier life. A last line that was cut off is left out: whatever
    /// stood there was not durable yet.
    ///
    /// # Errors
    /// It cannot be had, or another process has it.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Vec<Settled>)> {
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        file.try_lock().map_err(|_| io::Error::new(io::ErrorKind::ResourceBusy, "another process has it"))?;
        let mut rows = Vec::new();
        for line in BufReader::new(&file).split(b'\n') {
            let line = line?;
            if line.is_empty() {
                continue;
            }
            match serde_json::from_slice(&line) {
                Ok(row) => rows.push(row),
                Err(_) => {
                    tracing::warn!(bytes = line.len(), "a line of the spill file is not whole, and left out")
                }
            }
        }
        let is_empty = rows.is_empty();
        Ok((Self { file, is_empty }, rows))
    }

    /// Adds these, and returns when they are on the disk.
    pub(super) fn add(&mut self, rows: &[Settled]) -> io::Result<()> {
        let mut lines = Vec::new();
        // What was cut off before ends here.
        lines.push(b'\n');
        for row in rows {
            serde_json::to_writer(&mut lines, row)?;
            lines.push(b'\n');
        }
        self.is_empty = false;
        self.file.write_all(&lines)?;
        self.file.sync_data()
    }

    /// Empties it: the database has it all.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        if self.is_empty {
            return Ok(());
        }
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.sync_data()?;
        self.is_empty = true;
        Ok(())
    }
}
