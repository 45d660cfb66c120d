//! The forms that a model id can have.

/// Prefixes of AWS's inference profiles, as its user guide and SDKs name them.
pub(super) const GEOGRAPHIES: [&str; 11] =
    ["us", "eu", "apac", "jp", "au", "ca", "us-gov", "in", "sa", "amer", "global"];

/// AWS's partitions, and what the names of their regions begin with, as the endpoint rules of its SDKs have them.
const PARTITIONS: [(&str, &[&str]); 8] = [
    ("aws", &["us", "eu", "ap", "sa", "ca", "me", "af", "il", "mx"]),
    ("aws-cn", &["cn"]),
    ("aws-eusc", &["eusc-de"]),
    ("aws-iso", &["us-iso"]),
    ("aws-iso-b", &["us-isob"]),
    ("aws-iso-e", &["eu-isoe"]),
    ("aws-iso-f", &["us-isof"]),
    ("aws-us-gov", &["us-gov"]),
];

/// What follows in the name of a region, in front of its number.
const DIRECTIONS: [&str; 9] =
    ["north", "south", "east", "west", "central", "northeast", "northwest", "southeast", "southwest"];

/// A model id, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ModelId<'a> {
    /// The base model id.
    pub(super) base: &'a str,
    /// The profile id, where it is one.
    pub(super) profile: Option<&'a str>,
    /// The region, where it is an ARN.
    pub(super) region: Option<&'a str>,
    /// Whether it is an ARN of one's own, which is called as it stands, whatever the model is sold through.
    pub(super) own: bool,
}

/// Whether it names a prompt of AWS's prompt management, which brings messages and tools of its own.
#[must_use]
pub fn is_prompt(asked: &str) -> bool {
    let mut parts = asked.splitn(6, ':');
    asked.starts_with("arn:")
        && parts.nth(2) == Some("bedrock")
        && parts.nth(2).is_some_and(|resource| resource.starts_with("prompt/"))
}

impl<'a> ModelId<'a> {
    /// Takes a base id, a profile id, or the full ARN of either apart; `None` for anything else.
    pub(super) fn parse(asked: &'a str) -> Option<Self> {
        if !asked.starts_with("arn:") {
            return Some(Self::from_name(asked, None));
        }
        let mut parts = asked.splitn(6, ':').skip(1);
        let (partition, service) = (parts.next()?, parts.next()?);
        let (region, account) = (parts.next()?, parts.next()?);
        if self::partition(region) != Some(partition) || service != "bedrock" {
            return None;
        }
        match (parts.next()?.split_once('/')?, account) {
            (("foundation-model", name), "") => {
                Some(Self { base: name, profile: None, region: Some(region), own: false })
            }
            (("inference-profile", name), account) if !account.is_empty() => {
                let id = Self::from_name(name, Some(region));
                id.profile.is_some().then_some(id)
            }
            _ => None,
        }
    }

    /// Any other ARN, taken as it stands in its own region.
    pub(super) fn opaque(asked: &'a str) -> Self {
        let region = asked.split(':').nth(3).filter(|region| is_region(region));
        Self { base: asked, profile: None, region, own: true }
    }

    pub(super) fn from_name(name: &'a str, region: Option<&'a str>) -> Self {
        match name.split_once('.') {
            // A geography is followed by the provider, so another dot must come.
            Some((geography, base)) if GEOGRAPHIES.contains(&geography) && base.contains('.') => {
                Self { base, profile: Some(name), region, own: false }
            }
            _ => Self { base: name, profile: None, region, own: false },
        }
    }
}

/// Whether AWS could have a region of this name, such as `us-gov-west-1`. Callers can name about a thousand.
pub(super) fn is_region(text: &str) -> bool {
    partition(text).is_some()
}

/// The partition that a region lies in, such as `aws-us-gov`; `None` for what can be none.
#[must_use]
pub fn partition(region: &str) -> Option<&'static str> {
    let (rest, number) = region.rsplit_once('-')?;
    let (area, direction) = rest.rsplit_once('-')?;
    if !matches!(number.as_bytes(), [b'1'..=b'9']) || !DIRECTIONS.contains(&direction) {
        return None;
    }
    PARTITIONS.iter().find(|(_, areas)| areas.contains(&area)).map(|(partition, _)| *partition)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_taken_apart() {
        let base = "anthropic.claude-sonnet-4-5-20250929-v1:0";
        let profile = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
        let cases = [
            (base.to_owned(), Some((base, None, None))),
            (profile.to_owned(), Some((base, Some(profile), None))),
            (
                format!("arn:aws:bedrock:eu-west-1::foundation-model/{base}"),
                Some((base, None, Some("eu-west-1"))),
            ),
            (
                format!("arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:inference-profile/{profile}"),
                Some((base, Some(profile), Some("us-gov-west-1"))),
            ),
            (format!("arn:aws:bedrock:us-east-1:123456789012:inference-profile/{base}"), None),
            ("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2".to_owned(), None),
            ("arn:aws:sagemaker:us-east-1:123456789012:endpoint/x".to_owned(), None),
            (format!("arn:aws:bedrock:nowhere::foundation-model/{base}"), None),
            (format!("arn:aws:bedrock:us-gov-west-1::foundation-model/{base}"), None),
            (format!("arn:aws:bedrock:us-east-1.evil.com/::foundation-model/{base}"), None),
            ("arn:".to_owned(), None),
            ("us.".to_owned(), Some(("us.", None, None))),
        ];
        for (asked, expected) in &cases {
            let found = ModelId::parse(asked).map(|id| (id.base, id.profile, id.region));
            assert_eq!(&found, expected, "{asked}");
        }
    }

    #[test]
    fn regions_are_those_that_aws_could_have() {
        for (region, partition) in [
            ("us-east-1", "aws"),
            ("ap-southeast-7", "aws"),
            ("mx-central-1", "aws"),
            ("us-gov-west-1", "aws-us-gov"),
            ("cn-northwest-1", "aws-cn"),
            ("eusc-de-east-1", "aws-eusc"),
            ("us-isob-east-1", "aws-iso-b"),
        ] {
            assert_eq!(self::partition(region), Some(partition), "{region}");
        }
        for text in [
            "",
            "-",
            "us-east",
            "us-east-0",
            "us-east-10",
            "us-east-1a",
            "us-up-1",
            "moon-east-1",
            "us--east-1",
            "us-isox-east-1",
            "US-EAST-1",
            "us-east-1.evil.com",
            "gov-west-1",
        ] {
            assert!(!is_region(text), "{text}");
        }
    }
}
