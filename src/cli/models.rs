//! `models`: the catalogue, as a table or as JSON.

use std::collections::BTreeSet;

use bedrock_inference_adapters::contract::{Capability, Model, TokenPrice};

use super::{ConfigFile, Failure, show};
use crate::app;
use crate::catalog::Entry;
use crate::config::Settings;

/// List the models that can be called.
#[derive(Debug, clap::Args)]
pub(super) struct Models {
    #[command(flatten)]
    file: ConfigFile,
    /// Only models of this family, such as claude
    #[arg(long)]
    family: Option<String>,
    /// Only models of this provider, such as mistral
    #[arg(long)]
    provider: Option<String>,
    /// Also models that AWS no longer serves
    #[arg(long)]
    all: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

impl Models {
    pub(super) fn run(self) -> Result<(), Failure> {
        let settings = Settings::load(self.file.config.as_deref()).map_err(Failure::usage)?;
        let catalog = app::known(&settings).map_err(Failure::usage)?;
        let wanted: Vec<_> = catalog.models().filter(|entry| self.wants(entry)).collect();
        if wanted.is_empty() {
            return Err(Failure::usage(format!(
                "no such models; families are {}, providers are {}, and --all adds what AWS no longer serves",
                listed(catalog.models().map(|entry| entry.adapter.family())),
                listed(catalog.models().map(|entry| entry.model.provider.as_str()))
            )));
        }
        if !self.json {
            show::line(show::styled(
                row("MODEL", "CONTEXT", "IN/OUT USD", "PROFILES", "CAN"),
                show::Style::Bold,
            ));
        }
        for entry in wanted {
            let text = if self.json { json(entry) } else { table(entry) };
            show::line(text);
        }
        Ok(())
    }

    fn wants(&self, entry: &Entry) -> bool {
        let served = matches!(entry.model.lifecycle.status.as_str(), "active" | "legacy");
        let family = self.family.as_deref().is_none_or(|family| family == entry.adapter.family());
        let provider = self.provider.as_deref().is_none_or(|provider| provider == entry.model.provider);
        family && provider && (served || self.all)
    }
}

/// Each name once: `claude, generic, nova and titan`.
fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names = Vec::from_iter(BTreeSet::from_iter(names));
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

/// Every capability, under the API's name.
const CAPABILITIES: [(Capability, &str); 14] = [
    (Capability::Converse, "converse"),
    (Capability::Invoke, "invoke"),
    (Capability::Streaming, "streaming"),
    (Capability::System, "system"),
    (Capability::Tools, "tools"),
    (Capability::Images, "images"),
    (Capability::Documents, "documents"),
    (Capability::Video, "video"),
    (Capability::Reasoning, "reasoning"),
    (Capability::PromptCaching, "promptCaching"),
    (Capability::StructuredOutput, "structuredOutput"),
    (Capability::CountTokens, "countTokens"),
    (Capability::SamplingParams, "samplingParams"),
    (Capability::TemperatureWithTopP, "temperatureWithTopP"),
];

/// Those that the table shows, by its shorter names.
const SHOWN: [(Capability, &str); 8] = [
    (Capability::Converse, "converse"),
    (Capability::Invoke, "invoke"),
    (Capability::Tools, "tools"),
    (Capability::Images, "images"),
    (Capability::Documents, "documents"),
    (Capability::Video, "video"),
    (Capability::Reasoning, "reasoning"),
    (Capability::PromptCaching, "caching"),
];

/// The names of what a model can do.
fn can(entry: &Entry, names: &[(Capability, &'static str)]) -> Vec<&'static str> {
    names.iter().filter(|(capability, _)| entry.model.can(*capability)).map(|(_, name)| *name).collect()
}

fn row(model: &str, context: &str, price: &str, profiles: &str, can: &str) -> String {
    format!("{model:<48} {context:>9} {price:>11}  {profiles:<34} {can}")
}

fn table(entry: &Entry) -> String {
    let model = &entry.model;
    let context = model.limits.max_input_tokens.map(|tokens| tokens.to_string()).unwrap_or_default();
    let mut profiles = model.profiles.join(" ");
    if model.on_demand {
        profiles = format!("(base) {profiles}");
    }
    row(&model.id, &context, &price(model), &profiles, &can(entry, &SHOWN).join(" "))
}

/// The lowest price of a million tokens, in and out: that of one place. The JSON has all of them.
fn price(model: &Model) -> String {
    let prices = model.prices.iter().map(|prices| prices.default).min_by_key(|prices| prices.input);
    let usd = |price: Option<TokenPrice>| price.map_or_else(|| "?".to_owned(), |price| price.to_string());
    prices.map(|prices| format!("{}/{}", usd(prices.input), usd(prices.output))).unwrap_or_default()
}

fn json(entry: &Entry) -> String {
    let model = &entry.model;
    serde_json::json!({
        "modelId": model.id,
        "family": entry.adapter.family(),
        "provider": model.provider,
        "inferenceProfiles": model.profile_ids().collect::<Vec<_>>(),
        "onDemand": model.on_demand,
        "maxInputTokens": model.limits.max_input_tokens,
        "maxOutputTokens": model.limits.max_output_tokens,
        "capabilities": can(entry, &CAPABILITIES),
        "lifecycle": model.lifecycle.status,
        "eolDate": model.lifecycle.eol_date,
        "prices": model.prices,
    })
    .to_string()
}
