//! How Bedrock is reached.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How Bedrock is reached. What is unset comes from where the AWS SDK looks for it.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct AwsSettings {
    /// The region to call.
    pub region: Option<String>,
    /// Geography whose inference profile completes a bare model id. Default: the region's own.
    pub geography: Option<String>,
    /// Another endpoint than the regions' own.
    pub endpoint: Option<String>,
    /// Endpoints of single regions; they win over `endpoint`.
    pub endpoints: BTreeMap<String, String>,
    /// The profile of AWS's configuration files.
    pub profile: Option<String>,
    /// HTTP/2 connections to each region.
    pub connections: usize,
}

impl Default for AwsSettings {
    fn default() -> Self {
        Self {
            region: None,
            geography: None,
            endpoint: None,
            endpoints: BTreeMap::new(),
            profile: None,
            connections: 4,
        }
    }
}

impl AwsSettings {
    /// The endpoint that somebody has named for every region without one of its own, here or in the AWS SDK's
    /// variables. `None` where the SDK finds one by itself.
    #[must_use]
    pub fn named_endpoint(&self) -> Option<String> {
        let variable =
            |wanted: &str| super::variables().find(|(name, _)| name == wanted).map(|(_, value)| value);
        self.endpoint
            .clone()
            .or_else(|| variable("AWS_ENDPOINT_URL_BEDROCK_RUNTIME"))
            .or_else(|| variable("AWS_ENDPOINT_URL"))
    }

    /// Regions and endpoints that cannot be ones.
    pub(super) fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        let endpoint = self.endpoint.iter().map(|url| ("aws.endpoint".to_owned(), url));
        let endpoints = self.endpoints.iter().map(|(region, url)| (format!("aws.endpoints.{region:?}"), url));
        for (key, url) in endpoint.chain(endpoints) {
            if !is_endpoint(url) {
                mistakes.push(format!("{key} is {url:?}, which is no URL such as \"https://host\""));
            }
        }
        for region in self.endpoints.keys().filter(|region| !is_region(region)) {
            mistakes.push(format!("aws.endpoints.{region:?} is no region such as \"us-west-2\""));
        }
        mistakes
    }
}

/// Whether it is an http or https URL of a host, with no more than a path.
fn is_endpoint(url: &str) -> bool {
    url.parse::<http::Uri>().is_ok_and(|url| {
        matches!(url.scheme_str(), Some("http" | "https"))
            && url.host().is_some_and(|host| !host.is_empty())
            && url.query().is_none()
    })
}

/// Whether it is of the form of AWS's regions: words and a number, such as `us-gov-west-1`.
fn is_region(region: &str) -> bool {
    let is_word = |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_number = |number: &str| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    region.rsplit_once('-').is_some_and(|(words, number)| {
        is_number(number) && words.contains('-') && words.split('-').all(|word| is_word(&word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_and_endpoints_are_told_from_what_is_none() {
        for region in ["us-east-1", "us-gov-west-1", "ap-southeast-12", "eusc-de-east-1"] {
            assert!(is_region(region), "{region}");
        }
        for region in ["", "us-east", "us_east_1", "US-EAST-1", "us-1", "us--east-1", "us-east-1a", "-1"] {
            assert!(!is_region(region), "{region}");
        }
        for url in ["http://127.0.0.1:4000", "https://vpce-0.bedrock-runtime.eu-west-1.vpce.amazonaws.com/"] {
            assert!(is_endpoint(url), "{url}");
        }
        for url in ["", "host", "host:443", "ftp://host", "https://", "https://host?a=b", "https:// host"] {
            assert!(!is_endpoint(url), "{url}");
        }
    }

    #[test]
    fn mistakes_are_told_with_their_keys() {
        let endpoints = [("us-west-2", "https://host"), ("mars", "https://host"), ("us-east-1", "host")];
        let endpoints = endpoints.map(|(region, url)| (region.to_owned(), url.to_owned()));
        let settings = AwsSettings { endpoints: endpoints.into(), ..AwsSettings::default() };
        let told = settings.mistakes();
        let expected = ["aws.endpoints.\"us-east-1\" is \"host\"", "aws.endpoints.\"mars\" is no region"];
        assert_eq!(told.len(), expected.len(), "{told:?}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.starts_with(expected), "{told}");
        }
    }
}
