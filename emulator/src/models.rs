//! The catalogue: which model ids exist, how they may be called, and what each model can do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Deserialize;

use crate::errors::{Failure, Outcome};

/// Written from AWS's documentation; see `models.json`.
const CATALOGUE: &str = include_str!("../models.json");

/// The minimum of a cache checkpoint, in tokens, where AWS documents none for the model.
const DEFAULT_CACHE_MIN_TOKENS: u32 = 1024;

/// One model that the emulator can play.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Model {
    /// The base id, such as `amazon.nova-pro-v1:0`.
    pub(crate) id: String,
    /// The name people know the model by, such as `Claude Sonnet 4.5`.
    pub(crate) name: String,
    /// Who speaks: decides wording and family-specific rules.
    pub(crate) family: Family,
    /// The context window, in tokens.
    pub(crate) max_input_tokens: u32,
    /// The most tokens one answer may have.
    pub(crate) max_output_tokens: u32,
    /// The system-defined inference profiles that contain this model.
    profiles: Vec<String>,
    /// Whether the base id itself may be invoked; `None` where AWS's documents do not tell.
    on_demand_base_id: Option<bool>,
    /// What the model accepts.
    pub(crate) supports: Supports,
    prompt_cache_min_tokens: Option<u32>,
}

/// The family of a model.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Family {
    /// Anthropic Claude.
    Claude,
    /// Amazon Nova.
    Nova,
    /// Amazon Titan Text.
    TitanText,
    /// Everyone else: played through Converse alone.
    Other,
}

/// What a model accepts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "one flag a documented capability")]
pub(crate) struct Supports {
    pub(crate) tools: bool,
    /// Whether tools may be offered in a stream too.
    pub(crate) streaming_tools: bool,
    pub(crate) vision: bool,
    pub(crate) video: bool,
    pub(crate) audio: bool,
    pub(crate) system: bool,
    pub(crate) streaming: bool,
    pub(crate) pdf: bool,
    pub(crate) prompt_caching: bool,
    pub(crate) reasoning: bool,
    pub(crate) sampling_params: bool,
    pub(crate) temperature_with_top_p: bool,
    pub(crate) stop_sequences: bool,
    pub(crate) assistant_prefill: bool,
    pub(crate) system_role: bool,
    /// Whether CountTokens of this service counts for it; newer models count elsewhere.
    pub(crate) count_tokens: bool,
}

impl Model {
    /// The fewest tokens before a checkpoint for it to count.
    pub(crate) fn prompt_cache_min_tokens(&self) -> u32 {
        self.prompt_cache_min_tokens.unwrap_or(DEFAULT_CACHE_MIN_TOKENS)
    }

    /// The name the model gives itself in native replies, such as `claude-sonnet-4-5-20250929`.
    pub(crate) fn native_name(&self) -> &str {
        let name = self.id.split_once('.').map_or(self.id.as_str(), |(_, name)| name);
        match name.rsplit_once('-') {
            Some((rest, version)) if is_version(version) => rest,
            _ => name,
        }
    }
}

/// Whether an id's part is an API version rather than part of the name.
fn is_version(part: &str) -> bool {
    part.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// Every model, found by base id, profile id or ARN.
#[derive(Debug)]
pub(crate) struct Catalogue {
    bases: HashMap<String, Arc<Model>>,
    profiles: HashMap<String, Arc<Model>>,
    /// Ids of this account alone, and those that stand behind them.
    own: Mutex<HashMap<String, String>>,
}

impl Catalogue {
    /// Reads the embedded catalogue.
    pub(crate) fn load() -> serde_json::Result<Self> {
        let models: Vec<Arc<Model>> =
            serde_json::from_str::<Vec<Model>>(CATALOGUE)?.into_iter().map(Arc::new).collect();
        let mut profiles = HashMap::new();
        for model in &models {
            profiles.extend(model.profiles.iter().map(|id| (id.clone(), Arc::clone(model))));
        }
        let bases = models.into_iter().map(|model| (model.id.clone(), model)).collect();
        Ok(Self { bases, profiles, own: Mutex::default() })
    }

    /// From now on an id stands for another one.
    pub(crate) fn stand_for(&self, id: &str, other: &str) {
        self.own().insert(id.to_owned(), other.to_owned());
    }

    fn own(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every base id and profile id.
    #[cfg(test)]
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.bases.keys().chain(self.profiles.keys()).map(String::as_str)
    }

    /// The model behind any form of `modelId`, or the refusal AWS gives.
    pub(crate) fn resolve(&self, model_id: &str) -> Outcome<Arc<Model>> {
        let own = self.own().get(model_id).cloned();
        let model_id = own.as_deref().unwrap_or(model_id);
        let found = match model_id.strip_prefix("arn:") {
            None => self.profiles.get(model_id).or_else(|| self.bases.get(model_id)),
            Some(arn) => self.resolve_arn(arn),
        };
        let model = found.ok_or_else(|| Failure::validation("The provided model identifier is invalid."))?;
        let by_profile = self.profiles.contains_key(model_id) || model_id.contains(":inference-profile/");
        if !by_profile && model.on_demand_base_id == Some(false) {
            return Err(only_by_profile(model_id));
        }
        Ok(Arc::clone(model))
    }

    /// The model behind an id that CountTokens accepts: a base id or a foundation-model ARN, also where the
    /// model itself can only be invoked through a profile.
    pub(crate) fn resolve_for_counting(&self, model_id: &str) -> Outcome<Arc<Model>> {
        let found = match model_id.strip_prefix("arn:") {
            None => self.bases.get(model_id),
            Some(arn) if arn.contains(":foundation-model/") => self.resolve_arn(arn),
            Some(_) => None,
        };
        let counted = found.filter(|model| model.supports.count_tokens);
        counted
            .map(Arc::clone)
            .ok_or_else(|| Failure::validation("The provided model doesn't support counting tokens."))
    }

    /// `partition:bedrock:region:account:kind/id`, without the leading `arn:`.
    fn resolve_arn(&self, arn: &str) -> Option<&Arc<Model>> {
        let mut parts = arn.splitn(5, ':');
        let (partition, service) = (parts.next()?, parts.next()?);
        let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
        if !partition.starts_with("aws") || service != "bedrock" || region.is_empty() {
            return None;
        }
        match resource.split_once('/')? {
            ("foundation-model", id) if account.is_empty() => self.bases.get(id),
            ("inference-profile", id) if !account.is_empty() => self.profiles.get(id),
            _ => None,
        }
    }
}

fn only_by_profile(model_id: &str) -> Failure {
    Failure::validation(format!(
        "Invocation of model ID {model_id} with on-demand throughput isn\u{2019}t supported. Retry your request \
         with the ID or ARN of an inference profile that contains this model."
    ))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const SONNET: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";

    #[test]
    fn every_documented_form_of_an_id_is_found() {
        let catalogue = Catalogue::load().unwrap();
        for id in [
            "amazon.nova-pro-v1:0",
            "us.amazon.nova-pro-v1:0",
            "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0",
            "arn:aws:bedrock:us-east-1:111122223333:inference-profile/eu.amazon.nova-pro-v1:0",
        ] {
            assert_eq!(catalogue.resolve(id).unwrap().id, "amazon.nova-pro-v1:0", "{id}");
        }
    }

    #[test]
    fn unknown_ids_are_refused() {
        let catalogue = Catalogue::load().unwrap();
        for id in [
            "",
            "nope",
            "xx.amazon.nova-pro-v1:0",
            "arn:aws:s3:::bucket",
            "arn:aws:bedrock:us-east-1:1:foundation-model/amazon.nova-pro-v1:0",
            "arn:aws:bedrock:us-east-1:1:application-inference-profile/a1b2",
        ] {
            let failure = catalogue.resolve(id).unwrap_err();
            assert_eq!(failure.message, "The provided model identifier is invalid.", "{id}");
        }
    }

    #[test]
    fn a_model_sold_through_profiles_refuses_its_base_id() {
        let catalogue = Catalogue::load().unwrap();
        assert!(catalogue.resolve(&format!("us.{SONNET}")).is_ok());
        let arn = format!("arn:aws:bedrock:us-east-1::foundation-model/{SONNET}");
        for id in [SONNET, &arn] {
            let message = catalogue.resolve(id).unwrap_err().message;
            assert!(message.starts_with(&format!("Invocation of model ID {id} with on-demand")), "{message}");
            assert!(message.contains("isn\u{2019}t supported"), "{message}");
        }
    }

    #[test]
    fn only_bare_ids_of_some_models_are_counted() {
        let catalogue = Catalogue::load().unwrap();
        let arn = format!("arn:aws:bedrock:us-east-1::foundation-model/{SONNET}");
        for id in [SONNET, &arn] {
            assert_eq!(catalogue.resolve_for_counting(id).unwrap().id, SONNET);
        }
        let profile_arn = format!("arn:aws:bedrock:us-east-1:111122223333:inference-profile/us.{SONNET}");
        let profile = format!("us.{SONNET}");
        for id in [&profile, &profile_arn, "amazon.nova-pro-v1:0", "anthropic.claude-opus-5", "nope"] {
            let message = catalogue.resolve_for_counting(id).unwrap_err().message;
            assert_eq!(message, "The provided model doesn't support counting tokens.", "{id}");
        }
    }

    #[test]
    fn native_names_are_ids_without_provider_and_version() {
        let catalogue = Catalogue::load().unwrap();
        for (id, name) in [
            ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5-20250929"),
            ("us.anthropic.claude-opus-4-6-v1", "claude-opus-4-6"),
            ("us.anthropic.claude-opus-5", "claude-opus-5"),
        ] {
            assert_eq!(catalogue.resolve(id).unwrap().native_name(), name);
        }
    }

    #[test]
    fn every_model_has_a_name_of_its_own() {
        let catalogue = Catalogue::load().unwrap();
        let mut names: Vec<_> = catalogue.bases.values().map(|model| model.name.as_str()).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!((names.len(), names.first()), (count, Some(&"Amazon Nova 2 Lite")));
    }
}
