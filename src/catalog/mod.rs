//! What is known of every model, and what a model id stands for.

mod alias;
mod allowed;
mod id;
mod overlay;
mod residency;
mod target;
mod unknown;

use std::collections::BTreeMap;
use std::sync::Arc;

use bedrock_inference_adapters::FAMILIES;
use bedrock_inference_adapters::contract::{Model, ModelAdapter};

use crate::config::{AliasSettings, UnknownModels};
use crate::error::{Error, Reason};

pub use alias::{Choice, MOST_TARGETS};
pub use residency::Residency;
pub use target::{Home, Target};

use id::ModelId;
pub use id::{is_prompt, partition};
use overlay::OwnArn;

/// Every model that can be called, by base id.
#[derive(Debug)]
pub struct Catalog {
    models: BTreeMap<String, Arc<Entry>>,
    /// ARNs of one's own account that stand for one of them.
    arns: BTreeMap<String, OwnArn>,
    prices_as_of: Option<String>,
    aliases: BTreeMap<String, Choice>,
    residency: Residency,
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
        Ok(Self {
            models,
            arns: BTreeMap::new(),
            prices_as_of: None,
            aliases: BTreeMap::new(),
            residency: Residency::default(),
            unknown: UnknownModels::Refuse,
        })
    }

    /// The same with another answer to ids that it does not know.
    #[must_use]
    pub fn with_unknown(self, unknown: UnknownModels) -> Self {
        Self { unknown, ..self }
    }

    /// The same, reaching only these places.
    #[must_use]
    pub fn within(self, residency: Residency) -> Self {
        Self { residency, ..self }
    }

    /// The same with these aliases, and the shipped ones whose names are not taken.
    ///
    /// # Errors
    /// Every mistake of theirs, a line each.
    pub fn with_aliases(
        self,
        settings: &BTreeMap<String, AliasSettings>,
        home: &Home,
    ) -> Result<Self, String> {
        Ok(Self { aliases: alias::resolve(settings, &self, home)?, ..self })
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

    /// Every ARN of one's own that stands for a model, with the prices that hold for it.
    pub fn arns(&self) -> impl Iterator<Item = (&str, &Arc<Entry>)> {
        self.arns.iter().map(|(arn, own)| (arn.as_str(), &own.entry))
    }

    /// When the overlay's prices were looked up, YYYY-MM-DD; `None` where all are those that are built in.
    #[must_use]
    pub fn prices_as_of(&self) -> Option<&str> {
        self.prices_as_of.as_deref()
    }

    /// Every alias and what it stands for, by name.
    pub fn aliases(&self) -> impl Iterator<Item = (&str, &Choice)> {
        self.aliases.iter().map(|(name, choice)| (name.as_str(), choice))
    }

    /// What a call by this id or alias may reach from `home`.
    ///
    /// # Errors
    /// Those of [`Catalog::resolve`].
    fn choose(&self, asked: &str, home: &Home) -> Result<Choice, Error> {
        match self.aliases.get(asked) {
            Some(choice) => Ok(choice.clone()),
            None => self.resolve(asked, home).map(Choice::from),
        }
    }

    /// What a call by this id reaches from `home`.
    ///
    /// # Errors
    /// `MODEL_NOT_FOUND` for an id that is not in the catalogue, `INFERENCE_PROFILE_REQUIRED` for a base id
    /// of a model that is not sold in the home geography, `REGION_NOT_ALLOWED` for what residency forbids.
    pub fn resolve(&self, asked: &str, home: &Home) -> Result<Target, Error> {
        let (entry, id) = self.find(asked)?;
        self.residency.hold(Target::new(entry, asked, &id, home)?)
    }

    /// The home region, for what needs no model.
    ///
    /// # Errors
    /// `REGION_NOT_ALLOWED` where residency forbids it.
    pub fn region_only(&self, home: &Home) -> Result<Target, Error> {
        self.residency.hold(Target::region_only(&home.region))
    }

    /// What counting tokens by this id or alias reaches: the bare id of the first choice, whatever the model is
    /// sold through.
    ///
    /// # Errors
    /// `MODEL_NOT_FOUND` for an id that is not in the catalogue, `REGION_NOT_ALLOWED` for what residency forbids.
    fn resolve_bare(&self, asked: &str, home: &Home) -> Result<Target, Error> {
        if let Some(choice) = self.aliases.get(asked) {
            return self.bare(choice);
        }
        let (entry, id) = self.find(asked)?;
        self.residency.hold(Target::in_region(entry, asked, &id, home))
    }

    /// The first choice by its bare id, which is called in its region whatever profile answers are sold through.
    fn bare(&self, choice: &Choice) -> Result<Target, Error> {
        self.residency.hold(choice.first()?.clone().bare())
    }

    fn find<'a>(&'a self, asked: &'a str) -> Result<(Arc<Entry>, ModelId<'a>), Error> {
        if let Some(own) = self.arns.get(asked) {
            return Ok((Arc::clone(&own.entry), own.id()));
        }
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
             ListModels names, and aliases of the configuration; others, such as application inference profiles, \
             where the gateway's operator has named them in the overlay or has set unknown_models = \"warn\""
                .to_owned()
        } else {
            format!("did you mean {}?", near.join(" or "))
        };
        Error::new(Reason::ModelNotFound, format!("no model {shown:?}: {hint}"))
    }

    /// Up to three ids near a misspelt one: those that hold it as it stands, then those that hold its words.
    fn near<'a>(&'a self, asked: &'a str) -> impl Iterator<Item = &'a str> {
        let words: Vec<_> = asked.split(['.', '-', ':', '/', ' ']).filter(|word| word.len() > 1).collect();
        let ids = self.models.keys().rev().chain(self.aliases.keys()).map(String::as_str);
        let ids = ids.filter(move |id| !words.is_empty() && words.iter().all(|word| id.contains(word)));
        let (whole, scattered): (Vec<_>, Vec<_>) = ids.partition(|id| id.contains(asked));
        whole.into_iter().chain(scattered).take(3)
    }
}
