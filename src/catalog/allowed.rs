//! What of the catalogue a tenant may call.
//!
//! To a tenant with a list of models, what is not on it and what does not exist are the same: the same error for the
//! same work, found by names alone.

use super::id::ModelId;
use super::{Catalog, Choice, Entry, Home, Target};
use crate::error::{Error, Reason};
use crate::principal::Policy;

impl Catalog {
    /// What a call by this id or alias may reach from `home` under this policy. Who may call an alias may call
    /// whatever it stands for; of any other alias what the policy allows by its own name.
    ///
    /// # Errors
    /// Those of [`Catalog::resolve`], and `MODEL_NOT_ALLOWED`, also in place of `MODEL_NOT_FOUND`.
    pub fn choose_for(&self, policy: &Policy, asked: &str, home: &Home) -> Result<Choice, Error> {
        if !policy.restricts_models() {
            return self.choose(asked, home);
        }
        if let Some(choice) = self.aliases.get(asked).filter(|_| !policy.allows_model(asked)) {
            let allowed = choice.targets.iter().filter(|target| self.is_allowed(policy, target)).cloned();
            let choice = Choice { targets: allowed.collect(), ..choice.clone() };
            return choice.first().is_ok().then_some(choice).ok_or_else(not_allowed);
        }
        self.check(policy, asked)?;
        self.choose(asked, home).map_err(hidden)
    }

    /// The same for counting tokens.
    ///
    /// # Errors
    /// `REGION_NOT_ALLOWED` for what residency forbids, and `MODEL_NOT_ALLOWED`, also in place of `MODEL_NOT_FOUND`.
    pub fn resolve_bare_for(&self, policy: &Policy, asked: &str, home: &Home) -> Result<Target, Error> {
        if !policy.restricts_models() {
            return self.resolve_bare(asked, home);
        }
        if self.aliases.contains_key(asked) {
            return self.bare(&self.choose_for(policy, asked, home)?);
        }
        self.check(policy, asked)?;
        self.resolve_bare(asked, home).map_err(hidden)
    }

    /// Whether the policy names this target of an alias by itself.
    fn is_allowed(&self, policy: &Policy, target: &Target) -> bool {
        let model = target.entry.as_ref().is_some_and(|entry| policy.allows_model(&entry.model.id));
        let profile = target.inference_profile.as_ref().is_some_and(|profile| policy.allows_model(profile));
        model
            || profile
            || (self.arns.contains_key(&target.model_id) && policy.allows_model(&target.model_id))
    }

    /// Whether the policy names what this id stands for.
    fn check(&self, policy: &Policy, asked: &str) -> Result<(), Error> {
        let own = self.arns.get(asked);
        let id = own
            .map_or_else(|| ModelId::parse(asked).unwrap_or_else(|| ModelId::opaque(asked)), |own| own.id());
        let named = policy.allows_model(id.base)
            || id.profile.is_some_and(|profile| policy.allows_model(profile))
            || (own.is_some() && policy.allows_model(asked));
        let alias = self.aliases.contains_key(asked) && policy.allows_model(asked);
        if named || alias { Ok(()) } else { Err(not_allowed()) }
    }
}

impl Entry {
    /// The inference profiles that may be called under this policy; `None` where the model may not be called at
    /// all. A policy that names the model allows every way to it.
    #[must_use]
    pub fn allowed(&self, policy: &Policy) -> Option<Vec<String>> {
        if policy.allows_model(&self.model.id) {
            return Some(self.model.profile_ids().collect());
        }
        let profiles: Vec<_> =
            self.model.profile_ids().filter(|profile| policy.allows_model(profile)).collect();
        (!profiles.is_empty()).then_some(profiles)
    }
}

fn hidden(error: Error) -> Error {
    if error.reason == Reason::ModelNotFound { not_allowed() } else { error }
}

fn not_allowed() -> Error {
    let context = "the model is not among those that the tenant may call; ListModels has them";
    Error::new(Reason::ModelNotAllowed, context)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TenantSettings;

    const PROFILE: &str = "us.anthropic.claude-sonnet-4-6";
    const BASE: &str = "anthropic.claude-sonnet-4-6";
    const ARN: &str =
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-6";

    fn reaches(patterns: &[&str], asked: &str) -> Result<usize, Reason> {
        let models = Some(patterns.iter().map(|pattern| (*pattern).to_owned()).collect());
        let policy = Policy::from(&TenantSettings { models, ..TenantSettings::default() });
        let home = Home { region: "us-east-1".to_owned(), geography: None };
        let catalog = Catalog::built_in()
            .and_then(|catalog| catalog.with_aliases(&std::collections::BTreeMap::new(), &home));
        let found = catalog.map_err(|_| Reason::Panic)?.choose_for(&policy, asked, &home);
        found.map(|choice| choice.targets.len()).map_err(|error| error.reason)
    }

    #[test]
    fn a_pattern_names_a_model_a_profile_or_an_alias() {
        let denied = Err(Reason::ModelNotAllowed);
        for (patterns, asked, expected) in [
            (&[BASE][..], BASE, Ok(1)),
            (&[BASE], PROFILE, Ok(1)),
            (&[BASE], ARN, Ok(1)),
            (&[PROFILE], PROFILE, Ok(1)),
            (&[PROFILE], ARN, Ok(1)),
            (&[PROFILE], BASE, denied),
            (&[PROFILE], "eu.anthropic.claude-sonnet-4-6", denied),
            (&["anthropic.*"], ARN, Ok(1)),
            (&["*"], BASE, Ok(1)),
            (&["anthropic"], BASE, denied),
            (&[], BASE, denied),
            // An alias as it stands, or what of it is allowed by itself.
            (&["balanced"], "balanced", Ok(3)),
            (&[BASE], "balanced", Ok(1)),
            (&[PROFILE], "balanced", Ok(1)),
            (&["amazon.*"], "balanced", denied),
            (&["balanced"], BASE, denied),
            // What does not exist is denied like what does.
            (&["amazon.*"], "no-such-alias", denied),
            (&["amazon.*"], "anthropic.claude-nine", denied),
            (&["amazon.*"], "amazon.nova-nine", denied),
            (&["*"], "amazon.nova-nine", denied),
            (&["amazon.*"], "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a", denied),
        ] {
            assert_eq!(reaches(patterns, asked), expected, "{patterns:?} {asked}");
        }
    }

    /// A profile may be within the residency where its region is not.
    #[test]
    fn counting_by_an_alias_is_held_to_the_residency_under_any_policy() -> Result<(), String> {
        let home = Home { region: "us-east-1".to_owned(), geography: Some("global".to_owned()) };
        let residency = super::super::Residency::new(&["global".to_owned()])?;
        let catalog = Catalog::built_in()?.within(residency);
        let catalog = catalog.with_aliases(&std::collections::BTreeMap::new(), &home)?;
        let own = ["balanced", "global.*"].map(|pattern| Some(vec![pattern.to_owned()]));
        for models in own.into_iter().chain([None]) {
            let policy = Policy::from(&TenantSettings { models, ..TenantSettings::default() });
            assert!(catalog.choose_for(&policy, "balanced", &home).is_ok());
            let counted = catalog.resolve_bare_for(&policy, "balanced", &home);
            assert_eq!(counted.map(drop).map_err(|error| error.reason), Err(Reason::RegionNotAllowed));
        }
        Ok(())
    }
}
