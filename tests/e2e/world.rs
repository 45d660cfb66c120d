//! A service in front of several regions of the emulator, each with faults of its own.

use bedrock_inference::config::{AliasSettings, BreakerSettings, Settings, TargetSettings};
use bedrock_inference_emulator::{Emulator, Regions, Settings as EmulatorSettings};

use crate::stage::Stage;

pub const EAST: &str = "us-east-1";
pub const WEST: &str = "us-west-2";
pub const NORTH: &str = "us-east-2";

pub struct World {
    pub regions: Regions,
    pub stage: Stage,
}

impl World {
    /// Three regions, of which the first is home, with attempts and breakers as by default.
    pub async fn open(change: impl FnOnce(&mut Settings)) -> Self {
        let regions = Regions::start([EAST, WEST, NORTH], EmulatorSettings::default()).await.unwrap();
        let stage = Stage::open_with(|settings| {
            settings.aws.region = Some(EAST.to_owned());
            settings.aws.endpoints = regions.urls();
            settings.retry.attempts = 3;
            settings.breaker = BreakerSettings::default();
            change(settings);
        })
        .await;
        Self { regions, stage }
    }

    pub fn region(&self, name: &str) -> &Emulator {
        self.regions.get(name).unwrap()
    }

    /// The next calls of a region fail so.
    pub fn script(&self, region: &str, faults: &[&str]) {
        faults.iter().for_each(|fault| self.region(region).script(fault.parse().unwrap()));
    }

    /// How many calls each region has begun: home, west, north. One that is down has begun none.
    pub fn started(&self) -> [u64; 3] {
        [EAST, WEST, NORTH].map(|name| self.regions.get(name).map_or(0, |region| region.counts().started))
    }
}

/// One model in these regions, in their order or by weight.
pub fn alias(model: &str, regions: &[(&str, Option<u32>)]) -> AliasSettings {
    let target = |(region, weight): &(&str, Option<u32>)| TargetSettings {
        model: model.to_owned(),
        region: Some((*region).to_owned()),
        role: None,
        weight: *weight,
    };
    AliasSettings { targets: regions.iter().map(target).collect(), hedge_after: None }
}

/// The same model in all three regions, in their order.
pub fn everywhere(model: &str) -> AliasSettings {
    alias(model, &[(EAST, None), (WEST, None), (NORTH, None)])
}
