//! Residency: the regions and geographies that calls may reach.

use super::id::{GEOGRAPHIES, is_region};
use super::target::{Target, geographies};
use crate::error::{Error, Reason};

/// Geographies that stand for profiles alone: no region lies in them.
const WITHOUT_REGIONS: [&str; 2] = ["amer", "global"];

/// Where calls may go. Empty, they may go anywhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Residency(Vec<String>);

impl Residency {
    /// These regions, such as `eu-central-1`, and geographies, such as `eu`.
    ///
    /// A geography allows its inference profiles, which choose among its regions, and calls in those regions; a
    /// region alone only calls in that region. A profile is called in a region too, which must be allowed as well:
    /// a prompt goes there first.
    ///
    /// # Errors
    /// An entry is neither, or no region may be called.
    pub fn new(places: &[String]) -> Result<Self, String> {
        let unknown = places.iter().find(|place| !GEOGRAPHIES.contains(&place.as_str()) && !is_region(place));
        if let Some(place) = unknown {
            return Err(format!(
                "residency: {place:?} is neither a region, such as eu-central-1, nor a geography: {}",
                GEOGRAPHIES.join(", ")
            ));
        }
        let residency = Self(places.to_vec());
        if residency.names("amer") && !residency.has_regions() {
            return Err(
                "residency: \"amer\" stands for profiles alone; name what they may be called in as well, \
                 such as \"us\""
                    .to_owned(),
            );
        }
        Ok(residency)
    }

    /// Lets a target pass that stays inside.
    ///
    /// # Errors
    /// `REGION_NOT_ALLOWED`, saying what would be reached and what may be. Of ids that the catalogue does not
    /// know it cannot be said what they reach.
    pub(super) fn hold(&self, target: Target) -> Result<Target, Error> {
        if self.0.is_empty() {
            return Ok(target);
        }
        let Target { model_id, region, inference_profile, .. } = &target;
        let profile = inference_profile.as_deref();
        let geography = profile.and_then(|profile| profile.split('.').next());
        let reached = if target.entry.as_ref().is_some_and(|entry| !entry.known) {
            format!("{model_id} reaches places that the catalogue does not know")
        } else if let Some(profile) = profile.filter(|_| !geography.is_some_and(|place| self.names(place))) {
            format!("the inference profile {profile} reaches all of its geography")
        } else if !self.calls(region, profile.is_some()) {
            format!("the region {region} would be called")
        } else {
            return Ok(target);
        };
        let allowed = self.0.join(", ");
        Err(Error::new(
            Reason::RegionNotAllowed,
            format!("{reached}, and the gateway's operator allows: {allowed}"),
        ))
    }

    fn names(&self, place: &str) -> bool {
        self.0.iter().any(|allowed| allowed == place)
    }

    /// Whether a region may be called, for an allowed profile or by itself. Who allows `global` and no place at all
    /// lets its profiles be called anywhere.
    fn calls(&self, region: &str, profile: bool) -> bool {
        self.names(region)
            || geographies(region).into_iter().any(|geography| self.names(geography))
            || (profile && !self.has_regions())
    }

    /// Whether something is named that has regions.
    fn has_regions(&self) -> bool {
        self.0.iter().any(|place| !WITHOUT_REGIONS.contains(&place.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Catalog, Home};
    use super::*;

    const CLAUDE: &str = "anthropic.claude-sonnet-4-6";
    const NOVA: &str = "amazon.nova-lite-v1:0";

    fn within(places: &[&str]) -> Result<Catalog, String> {
        let places: Vec<_> = places.iter().map(|place| (*place).to_owned()).collect();
        Ok(Catalog::built_in()?.within(Residency::new(&places)?))
    }

    #[test]
    fn a_profile_needs_its_geography_and_the_region_that_is_called() -> Result<(), String> {
        let cases: [(&[&str], &str, &str, bool); 17] = [
            (&["eu"], "eu", "eu-west-1", true),
            (&["eu"], "eu", "us-east-1", false),
            (&["eu"], "us", "eu-west-1", false),
            (&["eu", "us-east-1"], "eu", "us-east-1", true),
            (&["eu", "us"], "eu", "us-west-2", true),
            (&["eu-west-1"], "eu", "eu-west-1", false),
            (&["jp"], "jp", "ap-northeast-1", true),
            (&["jp"], "jp", "ap-northeast-2", false),
            (&["apac"], "apac", "ap-northeast-2", true),
            (&["apac"], "jp", "ap-northeast-1", false),
            (&["us"], "us", "us-gov-west-1", false),
            // These two are no place to call.
            (&["global"], "global", "eu-west-1", true),
            (&["global"], "us", "us-east-1", false),
            (&["global", "us"], "global", "us-east-1", true),
            (&["global", "us"], "global", "eu-west-1", false),
            (&["global", "eu-west-1"], "global", "eu-west-1", true),
            (&["amer", "ca"], "amer", "ca-central-1", true),
        ];
        for (places, geography, region, allowed) in cases {
            let catalog = within(places)?;
            let profile = format!("{geography}.{CLAUDE}");
            let arn = format!(
                "arn:{}:bedrock:{region}:123456789012:inference-profile/{profile}",
                if region.starts_with("us-gov") { "aws-us-gov" } else { "aws" }
            );
            let home = Home { region: region.to_owned(), geography: None };
            let elsewhere = Home { region: "sa-east-1".to_owned(), geography: None };
            for (asked, home) in [(&profile, &home), (&arn, &elsewhere)] {
                let found = catalog.resolve(asked, home).map(drop).map_err(|error| error.reason);
                let expected = if allowed { Ok(()) } else { Err(Reason::RegionNotAllowed) };
                assert_eq!(found, expected, "{places:?} {asked} in {}", home.region);
            }
        }
        Ok(())
    }

    /// What is answered in the region itself: models by their bare ids, counts and guardrails.
    #[test]
    fn without_a_profile_the_region_alone_counts() -> Result<(), String> {
        for (places, region, allowed) in [
            ("eu", "eu-west-2", true),
            ("eu", "us-east-1", false),
            ("eu-west-2", "eu-west-2", true),
            ("eu-west-2", "eu-west-1", false),
            ("global", "eu-west-1", false),
        ] {
            let catalog = within(&[places])?;
            let home = Home { region: region.to_owned(), geography: None };
            let profile = format!("eu.{CLAUDE}");
            let found = [
                catalog.resolve(NOVA, &home),
                catalog.resolve_bare(CLAUDE, &home),
                catalog.resolve_bare(&profile, &home),
                catalog.region_only(&home),
            ];
            assert_eq!(found.map(|found| found.is_ok()), [allowed; 4], "{places} {region}");
        }
        Ok(())
    }

    #[test]
    fn what_leaves_no_region_to_call_is_a_mistake() {
        for places in [vec!["amer"], vec!["amer", "global"]] {
            let mistake = within(&places).err().unwrap_or_default();
            assert!(mistake.contains("residency: \"amer\""), "{places:?}: {mistake}");
        }
    }
}
