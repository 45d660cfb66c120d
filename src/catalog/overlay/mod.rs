//! The operator's overlay: models and prices that the catalogue does not have, or has otherwise.
//!
//! The file has the form of the families' `models.toml`; `docs/overlay.md` describes it. It is taken as a whole or not
//! at all.

mod arn;
mod members;
mod model;
mod prices;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Catalog, Entry};
use crate::config::OverlayFile;

pub(super) use arn::OwnArn;
use members::Members;

impl Catalog {
    /// The same with what an overlay adds and corrects.
    ///
    /// # Errors
    /// Every mistake of the file, a line each: the file, the model and the member.
    pub fn with_overlay(self, overlay: &OverlayFile) -> Result<Self, String> {
        self.overlaid(overlay.text()?).map_err(|mistakes| {
            let named = mistakes.iter().map(|mistake| format!("{}: {mistake}", overlay.path().display()));
            named.collect::<Vec<_>>().join("\n")
        })
    }

    fn overlaid(mut self, text: &str) -> Result<Self, Vec<String>> {
        let table = text.parse().map_err(|error| vec![unreadable(text, &error)])?;
        let mut mistakes = Vec::new();
        let mut file = Members::new(table, "", &mut mistakes);
        let as_of = file.take("as_of");
        let mut priced = false;
        let mut seen = BTreeSet::new();
        for entry in file.each("model", |row| model(&self.models, row)).into_iter().flatten() {
            let id = entry.model.id.clone();
            if !seen.insert(id.clone()) {
                file.wrong("model", &format!("{id:?} stands there twice"));
            }
            let known = self.models.get(&id).map(|known| known.model.prices.as_slice());
            priced |= known.unwrap_or_default() != entry.model.prices;
            self.models.insert(id, Arc::new(entry));
        }
        for (name, arn) in file.each("arn", |row| arn::read(&self.models, row)).into_iter().flatten() {
            priced |= arn.has_prices(&self.models);
            if self.arns.insert(name.clone(), arn).is_some() {
                file.wrong("arn", &format!("{name:?} stands there twice"));
            }
        }
        if priced {
            self.prices_as_of = date(as_of, &mut file);
        }
        file.end();
        if mistakes.is_empty() { Ok(self) } else { Err(mistakes) }
    }
}

/// A row of the file, by its id.
fn model(models: &BTreeMap<String, Arc<Entry>>, row: &mut Members<'_>) -> Option<Entry> {
    row.named("model", "id");
    let id: String = row.or("id", None)?;
    let known = models.get(&id);
    model::read(id, known.map(Arc::as_ref), row)
}

/// When the prices were looked up.
fn date(as_of: Option<String>, file: &mut Members<'_>) -> Option<String> {
    if !as_of.as_deref().is_some_and(model::is_date) {
        file.wrong("as_of", "says no date such as \"2026-11-24\" on which the prices were looked up");
    }
    as_of
}

/// What is wrong with a text that is no TOML, and where.
fn unreadable(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    format!("line {}: {}", before.matches('\n').count() + 1, error.message())
}
