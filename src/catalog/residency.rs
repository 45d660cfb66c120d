//! Residency: the regions and geographies that calls may reach.

use super::id::{GEOGRAPHIES, is_region};
use super::target::{Target, geographies};
use crate::error::{Error, Reason};

/// Where calls may go. Empty, they may go anywhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Residency(Vec<String>);

impl Residency {
    /// These regions, such as `eu-central-1`, and geographies, such as `eu`.
    ///
    /// A geography allows its inference profiles, which choose among its regions, and calls in those regions; a
    /// region alone only calls in that region.
    ///
    /// # Errors
    /// An entry is neither.
    pub fn new(places: &[String]) -> Result<Self, String> {
        let unknown = places.iter().find(|place| !GEOGRAPHIES.contains(&place.as_str()) && !is_region(place));
        match unknown {
            None => Ok(Self(places.to_vec())),
            Some(place) => Err(format!(
                "residency: {place:?} is neither a region, such as eu-central-1, nor a geography: {}",
                GEOGRAPHIES.join(", ")
            )),
        }
    }

    /// Lets a target pass that stays inside.
    ///
    /// # Errors
    /// `REGION_NOT_ALLOWED`, saying what would be reached and what may be. Of ids that the catalogue does not
    /// know it cannot be said what they reach.
    pub(super) fn check(&self, target: &Target) -> Result<(), Error> {
        let names = |place: &str| self.0.iter().any(|allowed| allowed == place);
        let known = target.entry.as_ref().is_none_or(|entry| entry.known);
        let inside = match &target.inference_profile {
            _ if self.0.is_empty() => true,
            _ if !known => false,
            Some(profile) => profile.split('.').next().is_some_and(names),
            None => names(&target.region) || geographies(&target.region).into_iter().any(names),
        };
        if inside {
            return Ok(());
        }
        let reached = match &target.inference_profile {
            _ if !known => format!("{} reaches places that the catalogue does not know", target.model_id),
            Some(profile) => format!("the inference profile {profile} reaches all of its geography"),
            None => format!("the region {} would be called", target.region),
        };
        let allowed = self.0.join(", ");
        Err(Error::new(
            Reason::RegionNotAllowed,
            format!("{reached}, and the gateway's operator allows: {allowed}"),
        ))
    }
}
