//! A row of the catalogue, as `models.toml` writes it.

use serde::Deserialize;

use super::PlacePrices;

/// A family's `models.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelTable {
    /// Its rows.
    #[serde(default, rename = "model")]
    pub(super) models: Vec<Model>,
}

/// What is known of one model.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The base model id.
    pub id: String,
    /// Who made it.
    pub provider: String,
    /// Geographies of the inference profiles it is sold through: `us` stands for `us.<id>`.
    #[serde(default)]
    pub profiles: Vec<String>,
    /// Whether AWS serves the bare id in a region.
    pub on_demand: bool,
    /// Limits in tokens.
    #[serde(default)]
    pub limits: Limits,
    /// What it can do.
    pub capabilities: Vec<Capability>,
    /// What AWS's documents leave open: neither told as a capability nor refused.
    #[serde(default)]
    pub unconfirmed: Vec<Capability>,
    /// What it is known to refuse beyond that.
    #[serde(default)]
    pub refuses: Vec<Refused>,
    /// Where it stands in its life.
    pub lifecycle: Lifecycle,
    /// The route of calls that insist on none; unset for the gateway's choice.
    #[serde(default)]
    pub route: Option<RouteRule>,
    /// What it costs, place by place; a place that is missing has no known price.
    #[serde(default, rename = "price")]
    pub prices: Vec<PlacePrices>,
}

/// Which side of Bedrock's API a conversation takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteRule {
    /// InvokeModel with the family's native body.
    Native,
    /// Converse.
    Converse,
}

/// Limits, in tokens but for the last two; `None` where not established.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The context window.
    pub max_input_tokens: Option<i64>,
    /// The longest answer.
    pub max_output_tokens: Option<i64>,
    /// The shortest prefix that the prompt cache keeps.
    pub prompt_cache_min_tokens: Option<i64>,
    /// How many tokens of Bedrock's quota a minute one output token uses up; 1 where not established.
    pub output_tpm_burndown: Option<i64>,
    /// The most stop sequences, where it takes fewer than Converse; not a number of tokens.
    pub max_stop_sequences: Option<usize>,
}

/// Something a model can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Capability {
    /// Converse and ConverseStream take it.
    Converse,
    /// InvokeModel takes it.
    Invoke,
    Streaming,
    System,
    /// Messages of the role `system` within the conversation.
    SystemRole,
    Tools,
    Images,
    Documents,
    Video,
    Reasoning,
    PromptCaching,
    StructuredOutput,
    CountTokens,
    /// temperature and top_p are accepted.
    SamplingParams,
    /// temperature and top_p may be set together.
    TemperatureWithTopP,
}

/// Something that a model is known to refuse, where most take it or it is not established of most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refused {
    /// A conversation that ends with the beginning of the answer.
    Prefill,
    /// A tool choice of `any` or of one tool.
    ForcedToolChoice,
    /// Claude's thinking with a budget of tokens.
    ThinkingBudget,
    /// Claude's thinking without one, which takes as many as it needs.
    ThinkingAdaptive,
    /// Turning Claude's thinking off.
    ThinkingDisabled,
    /// Cache points among the tools, where it takes those of system and messages.
    ToolCachePoints,
    /// Sound.
    Audio,
    /// A schema for the answer: `outputConfig.textFormat`.
    StructuredOutput,
}

/// Where a model stands in its life.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lifecycle {
    /// `active`, `legacy`, `eol`, `retired-or-unlisted` or `unknown`.
    pub status: String,
    /// The last day of service, YYYY-MM-DD.
    pub eol_date: Option<String>,
}

impl Model {
    /// Whether the model can do it.
    #[must_use]
    pub fn can(&self, capability: Capability) -> bool {
        self.capabilities.contains(&capability)
    }

    /// Whether the model can do it, or nobody has established that it cannot. Rules ask this.
    #[must_use]
    pub fn may(&self, capability: Capability) -> bool {
        self.can(capability) || self.unconfirmed.contains(&capability)
    }

    /// Whether one of these made it.
    #[must_use]
    pub fn is_of(&self, providers: &[&str]) -> bool {
        providers.contains(&self.provider.as_str())
    }

    /// Whether the model is known to refuse it.
    #[must_use]
    pub fn refuses(&self, refused: Refused) -> bool {
        self.refuses.contains(&refused)
    }

    /// The ids of its inference profiles.
    pub fn profile_ids(&self) -> impl Iterator<Item = String> {
        self.profiles.iter().map(|geography| format!("{geography}.{}", self.id))
    }
}
