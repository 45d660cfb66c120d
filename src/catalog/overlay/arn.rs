//! ARNs of one's own account that stand for a model: application inference profiles and provisioned throughput.

use std::collections::BTreeMap;
use std::sync::Arc;

use bedrock_inference_adapters::contract::Model;

use super::super::Entry;
use super::super::id::{self, ModelId};
use super::members::Members;
use super::prices;

/// What an ARN of the overlay stands for.
#[derive(Debug)]
pub(in super::super) struct OwnArn {
    /// The model, with the prices that hold for this ARN.
    pub(in super::super) entry: Arc<Entry>,
    /// The model or the inference profile that it was made of.
    model: String,
    region: String,
}

/// The kinds of ARNs, and whether tokens cost there what they cost by the model's own id.
const KINDS: [(&str, bool); 2] = [
    ("application-inference-profile", true),
    // Paid by the hour.
    ("provisioned-model", false),
];

impl OwnArn {
    /// The id taken apart, as if it said all that is known of it.
    pub(in super::super) fn id(&self) -> ModelId<'_> {
        let ModelId { base, profile, .. } = ModelId::from_name(&self.model, None);
        ModelId { base, profile, region: Some(&self.region), own: true }
    }

    /// Whether it has prices that are not those of its model.
    pub(super) fn has_prices(&self, models: &BTreeMap<String, Arc<Entry>>) -> bool {
        let its_models = models.get(self.id().base).is_some_and(|entry| Arc::ptr_eq(entry, &self.entry));
        !its_models && !self.entry.model.prices.is_empty()
    }
}

/// Reads one; mistakes are noted.
pub(super) fn read(models: &BTreeMap<String, Arc<Entry>>, row: &mut Members<'_>) -> Option<(String, OwnArn)> {
    row.named("arn", "arn");
    let (arn, model) = (row.or::<String>("arn", None), row.or::<String>("model", None));
    let taken_apart = arn.as_deref().and_then(taken_apart);
    if arn.is_some() && taken_apart.is_none() {
        row.wrong(
            "arn",
            "is of no application inference profile or provisioned throughput in a region of AWS's",
        );
    }
    let known = model.as_deref().and_then(|model| entry(models, model, row));
    if let (Some((_, like_the_model)), Some(model), Some(known)) = (&taken_apart, &model, known) {
        let profile = ModelId::from_name(model, None).profile.is_some();
        if profile && !like_the_model {
            row.wrong("model", "is an inference profile, and throughput is provisioned for a base id");
        }
        if !profile && *like_the_model && !known.model.on_demand {
            row.wrong("model", "is sold through inference profiles only: name the one that was copied");
        }
    }
    let place = match (&model, &taken_apart) {
        (Some(model), Some((region, _))) => ModelId::from_name(model, None)
            .profile
            .and_then(|profile| profile.split('.').next())
            .unwrap_or(region),
        _ => "",
    };
    let own = row.within("price", |row| prices::anywhere(vec![place.to_owned()], row)).flatten();
    let (arn, model, known) = (arn?, model?, known?);
    let (region, like_the_model) = taken_apart?;
    let entry = match own {
        None if like_the_model => Arc::clone(known),
        own => {
            let model = Model { prices: own.into_iter().collect(), ..known.model.clone() };
            Arc::new(Entry { model, adapter: known.adapter, known: true })
        }
    };
    Some((arn, OwnArn { entry, model, region }))
}

/// The model behind a base id or a profile id.
fn entry<'m>(
    models: &'m BTreeMap<String, Arc<Entry>>,
    model: &str,
    row: &mut Members<'_>,
) -> Option<&'m Arc<Entry>> {
    let ModelId { base, profile, .. } = ModelId::from_name(model, None);
    let found = models.get(base);
    match (found, profile) {
        (None, _) => row.wrong("model", &format!("{base:?} is no model of the catalogue")),
        (Some(entry), Some(profile)) if !entry.model.profile_ids().any(|sold| sold == profile) => {
            row.wrong("model", &format!("{base} is not sold through {profile}"));
        }
        _ => {}
    }
    found
}

/// The region, and whether its tokens are priced like the model's.
fn taken_apart(arn: &str) -> Option<(String, bool)> {
    let mut parts = arn.strip_prefix("arn:")?.splitn(5, ':');
    let (partition, service) = (parts.next()?, parts.next()?);
    let (region, account) = (parts.next()?, parts.next()?);
    let (kind, name) = parts.next()?.split_once('/')?;
    let (_, like_the_model) = KINDS.iter().find(|(known, _)| *known == kind)?;
    let own_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let of_region = id::partition(region) == Some(partition) && service == "bedrock";
    (own_account && plain && of_region).then(|| (region.to_owned(), *like_the_model))
}
