//! A model of the overlay: a new one, or a known one of which some members are given anew.

use bedrock_inference_adapters::FAMILIES;
use bedrock_inference_adapters::contract::{Capability, Family, Limits, Model};

use super::super::id::{GEOGRAPHIES, ModelId};
use super::super::{Entry, unknown};
use super::members::Members;
use super::prices;

/// Where a model may stand in its life.
const STATUSES: [&str; 5] = ["active", "legacy", "eol", "retired-or-unlisted", "unknown"];

/// The model as it is with what is given of it. Where there were mistakes, it is not to be used.
pub(super) fn read(id: String, known: Option<&Entry>, row: &mut Members<'_>) -> Option<Entry> {
    let family = family(known, row);
    let known = known.map(|entry| &entry.model);
    let provider = row.or("provider", known.map(|model| model.provider.clone()));
    let on_demand = row.or("on_demand", known.map(|model| model.on_demand));
    let capabilities = row.or("capabilities", known.map(|model| model.capabilities.clone()));
    let lifecycle = row.or("lifecycle", known.map(|model| model.lifecycle.clone()));
    let profiles = row.take("profiles").or_else(|| known.map(|model| model.profiles.clone()));
    let unconfirmed = row.take("unconfirmed").or_else(|| known.map(|model| model.unconfirmed.clone()));
    let refuses = row.take("refuses").or_else(|| known.map(|model| model.refuses.clone()));
    let route = row.take("route").or_else(|| known.and_then(|model| model.route));
    let old = known.map(|model| model.limits).unwrap_or_default();
    let limits = row.within("limits", |row| limits(old, row)).unwrap_or(old);
    let prices = prices::merged(known.map_or(&[], |model| model.prices.as_slice()), row);
    let model = Model {
        id,
        provider: provider?,
        profiles: profiles.unwrap_or_default(),
        on_demand: on_demand?,
        limits,
        capabilities: capabilities?,
        unconfirmed: unconfirmed.unwrap_or_default(),
        refuses: refuses.unwrap_or_default(),
        lifecycle: lifecycle?,
        route,
        prices,
    };
    for (member, what) in contradictions(&model) {
        row.wrong(member, &what);
    }
    Some(Entry { model, adapter: family?.adapter, known: true })
}

/// Who speaks for it.
fn family(known: Option<&Entry>, row: &mut Members<'_>) -> Option<&'static Family> {
    let known = known.map(|entry| entry.adapter.family());
    let asked = row.or("family", known.map(str::to_owned))?;
    let found = FAMILIES.iter().find(|family| family.adapter.family() == asked);
    match (found, known) {
        (None, _) => {
            let names: Vec<_> = FAMILIES.iter().map(|family| family.adapter.family()).collect();
            row.wrong("family", &format!("{asked:?} is none; there are {}", names.join(", ")));
        }
        (_, Some(known)) if known != asked => {
            row.wrong("family", &format!("is {known:?}, and cannot be another"));
        }
        _ => {}
    }
    found
}

fn limits(old: Limits, row: &mut Members<'_>) -> Limits {
    Limits {
        max_input_tokens: row.take("max_input_tokens").or(old.max_input_tokens),
        max_output_tokens: row.take("max_output_tokens").or(old.max_output_tokens),
        prompt_cache_min_tokens: row.take("prompt_cache_min_tokens").or(old.prompt_cache_min_tokens),
        output_tpm_burndown: row.take("output_tpm_burndown").or(old.output_tpm_burndown),
        max_stop_sequences: row.take("max_stop_sequences").or(old.max_stop_sequences),
    }
}

/// Those that are numbers of tokens.
fn tokens(limits: &Limits) -> [Option<i64>; 4] {
    let Limits { max_input_tokens, max_output_tokens, prompt_cache_min_tokens, output_tpm_burndown, .. } =
        *limits;
    [max_input_tokens, max_output_tokens, prompt_cache_min_tokens, output_tpm_burndown]
}

/// What cannot be so, by its member.
fn contradictions(model: &Model) -> Vec<(&'static str, String)> {
    let Model { id, provider, lifecycle, limits, .. } = model;
    let parsed = ModelId::parse(id);
    let bare =
        parsed.is_some_and(|parsed| parsed.base == id) && !id.starts_with("arn:") && unknown::may_be_one(id);
    let reached = lifecycle.status != "active" || model.on_demand || !model.profiles.is_empty();
    let ways = [Capability::Converse, Capability::Invoke];
    let sampled = model.can(Capability::SamplingParams) || !model.can(Capability::TemperatureWithTopP);
    let rules = [
        (bare, "id", "is no base model id".to_owned()),
        (
            id.starts_with(&format!("{provider}.")),
            "provider",
            format!("is {provider:?}, with which the id does not begin"),
        ),
        (
            reached,
            "profiles",
            "there are none, and on_demand is false, so that nobody can call an active model".to_owned(),
        ),
        (
            model.profiles.iter().all(|geography| GEOGRAPHIES.contains(&geography.as_str())),
            "profiles",
            format!("one is no geography: {}", GEOGRAPHIES.join(", ")),
        ),
        (
            ways.iter().any(|way| model.can(*way)),
            "capabilities",
            "have neither \"converse\" nor \"invoke\", so that nobody can call it".to_owned(),
        ),
        (sampled, "capabilities", "have \"temperature_with_top_p\" without \"sampling_params\"".to_owned()),
        (
            !model.unconfirmed.iter().any(|open| model.can(*open)),
            "unconfirmed",
            "has what is among the capabilities".to_owned(),
        ),
        (
            tokens(limits).into_iter().flatten().all(|tokens| tokens > 0),
            "limits",
            "one is not positive".to_owned(),
        ),
        (
            STATUSES.contains(&lifecycle.status.as_str()),
            "lifecycle",
            format!("{:?} is no status: {}", lifecycle.status, STATUSES.join(", ")),
        ),
        (
            lifecycle.status != "eol" || lifecycle.eol_date.is_some(),
            "lifecycle",
            "is \"eol\" without eol_date".to_owned(),
        ),
        (
            lifecycle.eol_date.as_deref().is_none_or(is_date),
            "lifecycle",
            "eol_date is no date such as 2027-04-08".to_owned(),
        ),
    ];
    rules.into_iter().filter(|(good, ..)| !good).map(|(_, member, what)| (member, what)).collect()
}

/// Whether it is of the form YYYY-MM-DD.
pub(super) fn is_date(text: &str) -> bool {
    let fits =
        |(at, byte): (usize, u8)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() };
    text.len() == 10 && text.bytes().enumerate().all(fits)
}
