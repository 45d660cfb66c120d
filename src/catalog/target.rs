//! Where a call goes.

use std::sync::Arc;

use bedrock_inference_adapters::contract::Model;

use super::Entry;
use super::id::ModelId;
use crate::error::{Error, Reason};

/// A model in the form and the region in which it is called, or a region alone.
#[derive(Debug, Clone)]
pub struct Target {
    /// The id or alias that stands for it; empty without a model.
    pub asked: String,
    /// The model and its adapter; `None` for what needs no model.
    pub entry: Option<Arc<Entry>>,
    /// What Bedrock is called with: a base id, a profile id, or an ARN; empty without a model.
    pub model_id: String,
    /// The inference profile's id, where it is called through one.
    pub inference_profile: Option<String>,
    /// The region that is called.
    pub region: String,
    /// The ARN of the IAM role that is assumed for the call; `None` for the gateway's own identity.
    pub role: Option<String>,
    /// Its share among the weights of an alias; 0 where targets are tried in their order.
    pub weight: u32,
}

/// Where the service stands: what an id that says neither region nor geography gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// The region to call.
    pub region: String,
    /// The geography of the profile that completes a base id in this region; `None` for the region's own.
    pub geography: Option<String>,
}

impl Target {
    /// A region, for what needs no model.
    #[must_use]
    pub fn region_only(region: &str) -> Self {
        Self {
            asked: String::new(),
            entry: None,
            model_id: String::new(),
            inference_profile: None,
            region: region.to_owned(),
            role: None,
            weight: 0,
        }
    }

    /// Whether both stand for the same call of Bedrock.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        (&self.model_id, &self.region, &self.role) == (&other.model_id, &other.region, &other.role)
    }

    /// Whether a native body that is made for the other fits this one: of one family, where that has a form of
    /// its own.
    #[must_use]
    pub fn takes_bodies_of(&self, other: &Self) -> bool {
        let (Some(own), Some(other)) = (&self.entry, &other.entry) else { return false };
        let family = own.adapter.family() == other.adapter.family() && own.adapter.converses();
        own.model.id == other.model.id || family
    }

    /// The model and its adapter.
    ///
    /// # Errors
    /// There is none: a bug of ours.
    pub fn entry(&self) -> Result<&Arc<Entry>, Error> {
        self.entry.as_ref().ok_or_else(|| Error::new(Reason::Panic, "the target has no model"))
    }

    /// The same by the bare id, the only one that AWS counts tokens for.
    pub(super) fn bare(self) -> Self {
        let model_id = self.entry.as_ref().map_or(self.model_id, |entry| entry.model.id.clone());
        Self { model_id, inference_profile: None, ..self }
    }

    /// By the bare id in its region.
    pub(super) fn in_region(entry: Arc<Entry>, asked: &str, id: &ModelId<'_>, home: &Home) -> Self {
        let region = id.region.unwrap_or(&home.region).to_owned();
        Self {
            asked: asked.to_owned(),
            model_id: entry.model.id.clone(),
            entry: Some(entry),
            inference_profile: None,
            region,
            role: None,
            weight: 0,
        }
    }

    pub(super) fn new(entry: Arc<Entry>, asked: &str, id: &ModelId<'_>, home: &Home) -> Result<Self, Error> {
        let region = id.region.unwrap_or(&home.region).to_owned();
        let (model_id, inference_profile) = match id.profile {
            Some(profile) => (asked.to_owned(), Some(profile.to_owned())),
            None if id.own || entry.model.on_demand => (asked.to_owned(), None),
            None => {
                let profile = completed(&entry.model, &region, home)?;
                (profile.clone(), Some(profile))
            }
        };
        let asked = asked.to_owned();
        Ok(Self { asked, entry: Some(entry), model_id, inference_profile, region, role: None, weight: 0 })
    }
}

/// The profile that stands for a bare id of a model that AWS only sells through profiles.
fn completed(model: &Model, region: &str, home: &Home) -> Result<String, Error> {
    let wanted = match &home.geography {
        // An ARN of another region is called there, where home's profiles are not sold.
        Some(geography) if region == home.region => vec![geography.as_str()],
        _ => geographies(region),
    };
    let found = wanted.iter().find(|wanted| model.profiles.iter().any(|sold| sold == *wanted));
    found.map(|geography| format!("{geography}.{}", model.id)).ok_or_else(|| {
        let sold: Vec<_> = model.profile_ids().collect();
        let known = match sold.as_slice() {
            [] => format!("the catalogue knows none; its lifecycle is {}", model.lifecycle.status),
            sold => {
                format!("none is of the geography {}; use one of {}", wanted.join(" or "), sold.join(", "))
            }
        };
        let context = format!("{} is sold through inference profiles only, and {known}", model.id);
        Error::new(Reason::InferenceProfileRequired, context)
    })
}

/// A region's own geographies, the narrowest first; never `global`, which crosses borders.
pub(super) fn geographies(region: &str) -> Vec<&'static str> {
    match region {
        "ap-northeast-1" | "ap-northeast-3" => vec!["jp", "apac"],
        "ap-southeast-2" | "ap-southeast-4" => vec!["au", "apac"],
        "ap-south-1" | "ap-south-2" => vec!["in", "apac"],
        _ => match region.split_once('-') {
            Some(("us", rest)) if rest.starts_with("gov") => vec!["us-gov"],
            Some(("us", _)) => vec!["us"],
            Some(("eu", _)) => vec!["eu"],
            Some(("ap", _)) => vec!["apac"],
            Some(("ca", _)) => vec!["ca"],
            Some(("sa", _)) => vec!["sa"],
            _ => Vec::new(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::Catalog;
    use super::*;

    const SONNET: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";

    fn resolve(asked: &str, region: &str, geography: Option<&str>) -> Result<(String, String), Reason> {
        let home = Home { region: region.to_owned(), geography: geography.map(str::to_owned) };
        let target = Catalog::built_in()
            .and_then(|catalog| catalog.resolve(asked, &home).map_err(|error| error.reason.name(false)));
        target.map(|target| (target.model_id, target.region)).map_err(|reason| {
            Reason::ALL.iter().copied().find(|r| r.name(false) == reason).unwrap_or(Reason::Panic)
        })
    }

    #[test]
    fn a_base_id_is_completed_with_the_home_geography() {
        let us = Ok((format!("us.{SONNET}"), "us-west-2".to_owned()));
        assert_eq!(resolve(SONNET, "us-west-2", None), us);
        let jp = Ok((format!("jp.{SONNET}"), "ap-northeast-1".to_owned()));
        assert_eq!(resolve(SONNET, "ap-northeast-1", None), jp);
        let global = Ok((format!("global.{SONNET}"), "us-west-2".to_owned()));
        assert_eq!(resolve(SONNET, "us-west-2", Some("global")), global);
    }

    #[test]
    fn a_base_id_without_a_profile_at_home_is_refused() {
        assert_eq!(resolve(SONNET, "sa-east-1", None), Err(Reason::InferenceProfileRequired));
        assert_eq!(resolve(SONNET, "me-central-1", None), Err(Reason::InferenceProfileRequired));
    }

    #[test]
    fn an_arn_brings_its_region() {
        let arn = format!("arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.{SONNET}");
        assert_eq!(resolve(&arn, "us-east-1", None), Ok((arn.clone(), "eu-west-1".to_owned())));
        let arn = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0";
        assert_eq!(resolve(arn, "eu-west-1", None), Ok((arn.to_owned(), "us-east-1".to_owned())));
    }

    /// Home's geography is home's alone.
    #[test]
    fn an_arn_is_completed_with_the_geography_of_its_region() {
        let arn = |region: &str| format!("arn:aws:bedrock:{region}::foundation-model/{SONNET}");
        let eu = Ok((format!("eu.{SONNET}"), "eu-west-1".to_owned()));
        assert_eq!(resolve(&arn("eu-west-1"), "us-east-1", Some("us")), eu);
        assert_eq!(resolve(&arn("eu-west-1"), "us-east-1", Some("global")), eu);
        let global = Ok((format!("global.{SONNET}"), "us-east-1".to_owned()));
        assert_eq!(resolve(&arn("us-east-1"), "us-east-1", Some("global")), global);
    }

    #[test]
    fn an_unknown_model_is_not_found() {
        assert_eq!(resolve("anthropic.claude-nine", "us-east-1", None), Err(Reason::ModelNotFound));
        assert_eq!(resolve("us.", "us-east-1", None), Err(Reason::ModelNotFound));
        assert_eq!(resolve("", "us-east-1", None), Err(Reason::ModelNotFound));
    }
}
