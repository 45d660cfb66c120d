//! What is known of every model, and what a model id stands for.

mod id;
mod target;
mod unknown;

use std::collections::BTreeMap;
use std::sync::Arc;

use bedrock_inference_adapters::FAMILIES;
use bedrock_inference_adapters::contract::{Model, ModelAdapter};

use crate::config::UnknownModels;
use crate::error::{Error, Reason};

pub use target::{Home, Target};

use id::ModelId;
pub use id::is_prompt;

/// Every model that can be called, by base id.
#[derive(Debug)]
pub struct Catalog {
    models: BTreeMap<String, Arc<Entry>>,
    unknown: UnknownModels,
}

/// A model and who speaks for it.
#[derive(Debug)]
pub struct Entry {
    /// What is known of it.
    pub model: Model,
    /// Its family's adapter.
    pub adapter: &'static dyn ModelAdapter,
    /// Whether the catalogue has it; one that is made up for an unknown id can do nothing that is known.
    pub known: bool,
}

impl Catalog {
    /// The catalogue that is built in.
    ///
    /// # Errors
    /// A family's `models.toml` cannot be read or names a model twice: a mistake of the build.
    pub fn built_in() -> Result<Self, String> {
        let mut models = BTreeMap::new();
        for family in FAMILIES {
            let name = family.adapter.family();
            let models_of_family =
                family.read_models().map_err(|error| format!("models.toml of {name}: {error}"))?;
            for model in models_of_family {
                let id = model.id.clone();
                let entry = Arc::new(Entry { model, adapter: family.adapter, known: true });
                if models.insert(id.clone(), entry).is_some() {
                    return Err(format!("models.toml of {name}: {id} is there twice"));
                }
            }
        }
        Ok(Self { models, unknown: UnknownModels::Refuse })
    }

    /// The same with another answer to ids that it does not know.
    #[must_use]
    pub fn with_unknown(self, unknown: UnknownModels) -> Self {
        Self { unknown, ..self }
    }

    /// Whether there is a model by this base id.
    #[must_use]
    pub fn has(&self, id: &str) -> bool {
        self.models.contains_key(id)
    }

    /// Every model, in the order of the base ids.
    pub fn models(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.models.values()
    }

    /// What a call by this id reaches from `home`.
    ///
    /// # Errors
    /// `MODEL_NOT_FOUND` for an id that is not in the catalogue, `INFERENCE_PROFILE_REQUIRED` for a base id
    /// of a model that is not sold in the home geography.
    pub fn resolve(&self, asked: &str, home: &Home) -> Result<Target, Error> {
        let (entry, id) = self.find(asked)?;
        Target::new(entry, asked, &id, home)
    }

    /// What counting tokens by this id reaches: the bare id, whatever the model is sold through.
    ///
    /// # Errors
    /// `MODEL_NOT_FOUND` for an id that is not in the catalogue.
    pub fn resolve_bare(&self, asked: &str, home: &Home) -> Result<Target, Error> {
        let (entry, id) = self.find(asked)?;
        Ok(Target::bare(entry, &id, home))
    }

    fn find<'a>(&self, asked: &'a str) -> Result<(Arc<Entry>, ModelId<'a>), Error> {
        let parsed = ModelId::parse(asked);
        let found = parsed.as_ref().and_then(|id| self.models.get(id.base)).map(Arc::clone);
        match (found, parsed) {
            (Some(entry), Some(id)) => Ok((entry, id)),
            (_, parsed) if self.unknown == UnknownModels::Warn && unknown::may_be_one(asked) => {
                let id = parsed.unwrap_or_else(|| ModelId::opaque(asked));
                Ok((Arc::new(unknown::entry(&id)), id))
            }
            _ => Err(self.not_found(asked)),
        }
    }

    fn not_found(&self, asked: &str) -> Error {
        let shown: String = asked.chars().filter(|c| !c.is_control()).take(200).collect();
        let near: Vec<_> = self.near(asked).collect();
        let hint = if near.is_empty() {
            "base model ids, inference profile ids and the ARNs of both are accepted, for the models that \
             ListModels names; others, such as application inference profiles, pass where the gateway's operator \
             has set unknown_models = \"warn\""
                .to_owned()
        } else {
            format!("did you mean {}?", near.join(" or "))
        };
        Error::new(Reason::ModelNotFound, format!("no model {shown:?}: {hint}"))
    }

    /// Up to three ids near a misspelt one: those that hold it as it stands, then those that hold its words.
    fn near<'a>(&'a self, asked: &'a str) -> impl Iterator<Item = &'a str> {
        let words: Vec<_> = asked.split(['.', '-', ':', '/', ' ']).filter(|word| word.len() > 1).collect();
        let ids = self.models.keys().rev().map(String::as_str);
        let ids = ids.filter(move |id| !words.is_empty() && words.iter().all(|word| id.contains(word)));
        let (whole, scattered): (Vec<_>, Vec<_>) = ids.partition(|id| id.contains(asked));
        whole.into_iter().chain(scattered).take(3)
    }
}
