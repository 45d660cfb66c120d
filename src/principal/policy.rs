//! What a tenant may do.

use std::collections::BTreeMap;

use crate::config::{BudgetSettings, GuardrailSettings, TenantSettings};

/// What a tenant may do. The default is everything.
#[derive(Debug, Default)]
pub struct Policy {
    models: Option<Vec<String>>,
    methods: Option<Vec<String>>,
    max_output_tokens: Option<i32>,
    requests_per_minute: Option<u32>,
    tokens_per_minute: Option<u32>,
    guardrail: Option<GuardrailSettings>,
    budget: BudgetSettings,
    labels: BTreeMap<String, String>,
}

impl From<&TenantSettings> for Policy {
    fn from(settings: &TenantSettings) -> Self {
        Self {
            models: settings.models.clone(),
            methods: settings.methods.clone(),
            max_output_tokens: settings.max_output_tokens,
            requests_per_minute: settings.requests_per_minute,
            tokens_per_minute: settings.tokens_per_minute,
            guardrail: settings.guardrail.clone(),
            budget: settings.budget,
            labels: settings.labels.clone(),
        }
    }
}

impl Policy {
    /// Whether some models may not be called.
    #[must_use]
    pub fn restricts_models(&self) -> bool {
        self.models.is_some()
    }

    /// Whether a model may be called that has this name: its base id, its inference profile's, or an alias.
    #[must_use]
    pub fn allows_model(&self, name: &str) -> bool {
        let fits = |pattern: &String| match pattern.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == pattern,
        };
        self.models.as_ref().is_none_or(|models| models.iter().any(fits))
    }

    /// Whether this RPC may be called.
    #[must_use]
    pub fn allows_method(&self, name: &str) -> bool {
        self.methods.as_ref().is_none_or(|methods| methods.iter().any(|method| method == name))
    }

    /// The most tokens of an answer; `None` for as many as the model gives.
    #[must_use]
    pub fn max_output_tokens(&self) -> Option<i32> {
        self.max_output_tokens
    }

    /// Calls that may begin in a minute; `None` for any number.
    #[must_use]
    pub fn requests_per_minute(&self) -> Option<u32> {
        self.requests_per_minute
    }

    /// Tokens that may be used in a minute, as Bedrock counts them for its quota; `None` for any number.
    #[must_use]
    pub fn tokens_per_minute(&self) -> Option<u32> {
        self.tokens_per_minute
    }

    /// The guardrail that judges every call; `None` for the caller's own choice.
    #[must_use]
    pub fn guardrail(&self) -> Option<&GuardrailSettings> {
        self.guardrail.as_ref()
    }

    /// What it may spend.
    #[must_use]
    pub fn budget(&self) -> BudgetSettings {
        self.budget
    }

    /// Labels of all its calls.
    #[must_use]
    pub fn labels(&self) -> &BTreeMap<String, String> {
        &self.labels
    }
}
