//! The operator's overlay file: where it is, and what stood in it when the configuration was read.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A file that adds models to the catalogue and corrects those that it has. Deserializing its path reads it, so that
/// settings are one state of both files.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(from = "PathBuf", into = "(PathBuf, String)")]
pub struct OverlayFile {
    path: PathBuf,
    text: Result<String, String>,
}

impl OverlayFile {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What stood in it.
    ///
    /// # Errors
    /// It could not be read.
    pub fn text(&self) -> Result<&str, String> {
        self.text.as_deref().map_err(|error| format!("overlay: {}: {error}", self.path.display()))
    }
}

impl From<PathBuf> for OverlayFile {
    fn from(path: PathBuf) -> Self {
        Self { text: std::fs::read_to_string(&path).map_err(|error| error.to_string()), path }
    }
}

impl From<OverlayFile> for (PathBuf, String) {
    fn from(file: OverlayFile) -> Self {
        (file.path, file.text.unwrap_or_else(|error| error))
    }
}
