//! Aliases: names that stand for several targets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Catalog, Home, Target};
use crate::config::{AliasSettings, TargetSettings};
use crate::error::{Error, Reason};

/// What a call may reach, first choice first, or by weight where the targets have one. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Choice {
    /// Never empty.
    pub targets: Arc<[Target]>,
    /// How long one may be silent until a second one is called beside it; `None` for never.
    pub hedge_after: Option<Duration>,
}

/// The most targets of an alias, and of a call.
pub const MOST_TARGETS: usize = 16;

/// Aliases that are there without being configured: the models of one class, the newest first.
const SHIPPED: [(&str, &[&str]); 3] = [
    (
        "economy",
        &[
            "anthropic.claude-haiku-5-5",
            "anthropic.claude-haiku-4-5-20251001-v1:0",
            "amazon.nova-2-lite-v1:0",
            "amazon.nova-lite-v1:0",
        ],
    ),
    (
        "balanced",
        &["anthropic.claude-sonnet-5-5", "anthropic.claude-sonnet-5", "anthropic.claude-sonnet-4-6"],
    ),
    ("best", &["anthropic.claude-opus-5-5", "anthropic.claude-opus-5", "anthropic.claude-opus-4-8"]),
];

impl Choice {
    /// The first choice.
    ///
    /// # Errors
    /// There is none: a bug of ours.
    pub fn first(&self) -> Result<&Target, Error> {
        self.targets.first().ok_or_else(|| Error::new(Reason::Panic, "a choice has no targets"))
    }
}

impl From<Target> for Choice {
    fn from(target: Target) -> Self {
        Self { targets: Arc::new([target]), hedge_after: None }
    }
}

/// The aliases of the configuration, and those that are shipped where it has none of their name.
///
/// A target of the configuration must be there; of the shipped ones those are left out that `home` cannot reach.
///
/// # Errors
/// Every mistake of the configuration, a line each.
pub(super) fn resolve(
    settings: &BTreeMap<String, AliasSettings>,
    catalog: &Catalog,
    home: &Home,
) -> Result<BTreeMap<String, Choice>, String> {
    let (mut aliases, mut mistakes) = (BTreeMap::new(), Vec::new());
    for (name, alias) in settings {
        match configured(name, alias, catalog, home) {
            _ if !is_name(name) => mistakes.push(format!(
                "aliases.{name:?}: 1 to 64 of a-z, 0-9, - and _ are accepted as a name, so that it is no model id"
            )),
            Ok(choice) => drop(aliases.insert(name.clone(), choice)),
            Err(mistake) => mistakes.push(format!("aliases.{name}.{mistake}")),
        }
    }
    for (name, models) in SHIPPED {
        let reached = models.iter().filter_map(|model| catalog.resolve(model, home).ok());
        let targets: Arc<[Target]> =
            reached.map(|found| Target { asked: name.to_owned(), ..found }).collect();
        if !targets.is_empty() {
            aliases.entry(name.to_owned()).or_insert(Choice { targets, hedge_after: None });
        }
    }
    if mistakes.is_empty() { Ok(aliases) } else { Err(mistakes.join("\n")) }
}

fn configured(name: &str, alias: &AliasSettings, catalog: &Catalog, home: &Home) -> Result<Choice, String> {
    let count = alias.targets.len();
    if !(1..=MOST_TARGETS).contains(&count) {
        return Err(format!("targets: there are {count}; 1 to {MOST_TARGETS} are accepted"));
    }
    let weighted = alias.targets.iter().filter(|target| target.weight.is_some()).count();
    if weighted != 0 && weighted != count {
        return Err(format!("targets: {weighted} of {count} have a weight; all or none may"));
    }
    let mut targets: Vec<Target> = Vec::with_capacity(count);
    for (at, settings) in alias.targets.iter().enumerate() {
        let found = target(settings, catalog, home).map_err(|mistake| format!("targets[{at}]{mistake}"))?;
        if let Some(first) = targets.iter().position(|target| target.is_same(&found)) {
            return Err(format!("targets[{at}]: is the same as targets[{first}]"));
        }
        targets.push(Target { asked: name.to_owned(), ..found });
    }
    Ok(Choice { targets: targets.into(), hedge_after: alias.hedge_after })
}

fn target(settings: &TargetSettings, catalog: &Catalog, home: &Home) -> Result<Target, String> {
    if settings.weight == Some(0) {
        return Err(".weight: is 0; at least 1 is accepted".to_owned());
    }
    let there = match &settings.region {
        Some(region) if !super::id::is_region(region) => {
            return Err(format!(".region: {region:?} is no region"));
        }
        // Another region has a geography of its own.
        Some(region) if *region != home.region => Home { region: region.clone(), geography: None },
        _ => home.clone(),
    };
    let found =
        catalog.resolve(&settings.model, &there).map_err(|error| format!(".model: {}", error.context))?;
    if let Some(region) = settings.region.as_ref().filter(|region| **region != found.region) {
        return Err(format!(".region: is {region}, and the model's ARN is of {}", found.region));
    }
    // The SDK takes a region that it cannot place for one of this partition too.
    let partition = super::id::partition(&found.region).unwrap_or("aws");
    if let Some(role) = settings.role.as_deref().filter(|role| !is_role(role, partition)) {
        let region = &found.region;
        return Err(format!(
            ".role: {role:?} is no ARN of an IAM role such as arn:{partition}:iam::123456789012:role/name, for {region}"
        ));
    }
    Ok(Target { role: settings.role.clone(), weight: settings.weight.unwrap_or_default(), ..found })
}

/// Whether it can be told from a model id, which always has a dot.
fn is_name(name: &str) -> bool {
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    (1..=64).contains(&name.len()) && name.bytes().all(plain)
}

/// Whether it is of the form `arn:aws:iam::123456789012:role/name`: a role is good in its own partition only.
fn is_role(arn: &str, partition: &str) -> bool {
    let mut parts = arn.splitn(6, ':');
    let account = |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    parts.next() == Some("arn")
        && parts.next() == Some(partition)
        && (parts.next(), parts.next()) == (Some("iam"), Some(""))
        && parts.next().is_some_and(account)
        && parts.next().and_then(|rest| rest.strip_prefix("role/")).is_some_and(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(region: &str) -> Home {
        Home { region: region.to_owned(), geography: None }
    }

    fn aliases(toml: &str, home: &Home) -> Result<BTreeMap<String, Choice>, String> {
        let settings: BTreeMap<String, AliasSettings> = config::Config::builder()
            .add_source(config::File::from_str(toml, config::FileFormat::Toml))
            .build()
            .and_then(config::Config::try_deserialize)
            .map_err(|error| error.to_string())?;
        resolve(&settings, &Catalog::built_in()?, home)
    }

    #[test]
    fn every_shipped_alias_names_active_models_and_reaches_one_everywhere() -> Result<(), String> {
        let catalog = Catalog::built_in()?;
        for (name, models) in SHIPPED {
            for model in models {
                let status = catalog.models().find(|entry| entry.model.id == *model);
                let status = status.map(|entry| entry.model.lifecycle.status.as_str());
                assert_eq!(status, Some("active"), "{name}: {model}");
            }
        }
        for region in ["us-east-1", "eu-central-1", "ap-northeast-1", "ap-southeast-2", "us-gov-west-1"] {
            assert_eq!(aliases("", &home(region))?.len(), SHIPPED.len(), "{region}");
        }
        Ok(())
    }

    #[test]
    fn a_target_elsewhere_gets_the_profile_of_its_own_geography() -> Result<(), String> {
        let toml = "[eu-and-us]\ntargets = [{ model = \"anthropic.claude-sonnet-4-6\" }, \
            { model = \"anthropic.claude-sonnet-4-6\", region = \"eu-central-1\", \
              role = \"arn:aws:iam::123456789012:role/bedrock\" }]";
        // Home's own choice holds at home only.
        let global = Home { geography: Some("global".to_owned()), ..home("us-east-1") };
        let aliases = aliases(toml, &global)?;
        let targets = aliases.get("eu-and-us").into_iter().flat_map(|alias| alias.targets.iter());
        let found: Vec<_> = targets
            .map(|target| (target.model_id.as_str(), target.region.as_str(), target.role.is_some()))
            .collect();
        let expected = [
            ("global.anthropic.claude-sonnet-4-6", "us-east-1", false),
            ("eu.anthropic.claude-sonnet-4-6", "eu-central-1", true),
        ];
        assert_eq!(found, expected);
        Ok(())
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let model = "model = \"amazon.nova-lite-v1:0\"";
        for (toml, words) in [
            ("[a]\ntargets = []".to_owned(), "aliases.a.targets: there are 0"),
            (format!("[\"A B\"]\ntargets = [{{ {model} }}]"), "accepted as a name"),
            (format!("[a]\ntargets = [{{ {model}, weight = 1 }}, {{ {model} }}]"), "1 of 2 have a weight"),
            (format!("[a]\ntargets = [{{ {model}, weight = 0 }}]"), "targets[0].weight: is 0"),
            (format!("[a]\ntargets = [{{ {model}, region = \"moon\" }}]"), "targets[0].region: \"moon\""),
            (format!("[a]\ntargets = [{{ {model}, role = \"me\" }}]"), "targets[0].role: \"me\""),
            ("[a]\ntargets = [{ model = \"nova\" }]".to_owned(), "targets[0].model: no model \"nova\""),
        ] {
            let mistake = aliases(&toml, &home("us-east-1")).err().unwrap_or_default();
            assert!(mistake.contains(words), "{toml}: {mistake:?}");
        }
    }

    #[test]
    fn a_role_is_of_the_partition_of_its_region() {
        for (region, partition) in
            [("us-east-1", "aws"), ("us-gov-west-1", "aws-us-gov"), ("cn-north-1", "aws-cn"), ("moon", "aws")]
        {
            for named in ["aws", "aws-us-gov", "aws-cn", "aws-iso"] {
                let toml = format!(
                    "[a]\ntargets = [{{ model = \"amazon.nova-lite-v1:0\", \
                        role = \"arn:{named}:iam::123456789012:role/team/name\" }}]"
                );
                let mistake = aliases(&toml, &home(region)).err().unwrap_or_default();
                assert_eq!(mistake.contains("targets[0].role"), named != partition, "{region}: {mistake}");
            }
        }
    }

    /// Also where it is written in another way.
    #[test]
    fn no_target_is_there_twice() {
        let target = |model: &str, more: &str| format!("{{ model = \"{model}\"{more} }}");
        let (bare, profile) = ("anthropic.claude-sonnet-4-6", "us.anthropic.claude-sonnet-4-6");
        let role = ", role = \"arn:aws:iam::123456789012:role/name\"";
        let away = ", region = \"us-west-2\"";
        for (targets, same) in [
            (
                [target(bare, ""), target(bare, away), target(bare, "")],
                "aliases.a.targets[2]: is the same as targets[0]",
            ),
            (
                [target(bare, away), target(bare, ""), target(profile, "")],
                "aliases.a.targets[2]: is the same as targets[1]",
            ),
            ([target(bare, ""), target(bare, away), target(bare, role)], ""),
        ] {
            let toml = format!("[a]\ntargets = [{}]", targets.join(", "));
            assert_eq!(aliases(&toml, &home("us-east-1")).err().unwrap_or_default(), same);
        }
    }
}
