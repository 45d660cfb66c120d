//! Token classes are disjoint, and none is lost.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use bedrock_inference_adapters::contract::token_counts;
use bedrock_inference_proto::v1::{CacheDetail, TokenCounts, TokenUsage};
use proptest::prelude::*;

fn usage([input, output, read, write]: [Option<i32>; 4], details: &[(&str, i32)]) -> TokenUsage {
    let details = details
        .iter()
        .map(|(ttl, tokens)| CacheDetail { ttl: Some((*ttl).to_owned()), input_tokens: Some(*tokens) });
    TokenUsage {
        input_tokens: input,
        output_tokens: output,
        total_tokens: None,
        cache_read_input_tokens: read,
        cache_write_input_tokens: write,
        cache_details: details.collect(),
    }
}

#[test]
fn every_form_of_usage_has_its_disjoint_classes() {
    let cases = [
        ("none", usage([None; 4], &[]), [0, 0, 0, 0, 0]),
        ("no cache", usage([Some(5), Some(7), None, None], &[]), [5, 0, 0, 0, 7]),
        ("read only", usage([Some(5), Some(7), Some(100), Some(0)], &[]), [5, 100, 0, 0, 7]),
        ("written without details", usage([Some(5), Some(7), Some(0), Some(80)], &[]), [5, 0, 80, 0, 7]),
        (
            "written for both times",
            usage([Some(5), Some(7), Some(100), Some(80)], &[("1h", 50), ("5m", 30)]),
            [5, 100, 30, 50, 7],
        ),
        ("an hour only", usage([Some(5), Some(7), None, Some(80)], &[("1h", 80)]), [5, 0, 0, 80, 7]),
        ("details of a part", usage([None, None, None, Some(80)], &[("1h", 50)]), [0, 0, 30, 50, 0]),
        (
            "two details of one time",
            usage([None, None, None, Some(80)], &[("1h", 50), ("1h", 20)]),
            [0, 0, 10, 70, 0],
        ),
        (
            "a time that AWS may add",
            usage([None, None, None, Some(80)], &[("2h", 50), ("1h", 30)]),
            [0, 0, 50, 30, 0],
        ),
        ("details without their sum", usage([None; 4], &[("1h", 50), ("5m", 30)]), [0, 0, 30, 50, 0]),
        ("details above their sum", usage([None, None, None, Some(20)], &[("1h", 50)]), [0, 0, 0, 50, 0]),
        (
            "more than an i32",
            usage([Some(i32::MAX), None, None, None], &[("1h", i32::MAX), ("1h", i32::MAX)]),
            [2_147_483_647, 0, 0, 4_294_967_294, 0],
        ),
    ];
    for (name, usage, [input, cache_read, cache_write_5m, cache_write_1h, output]) in cases {
        let expected = TokenCounts { input, cache_read, cache_write_5m, cache_write_1h, output };
        assert_eq!(token_counts(&usage), expected, "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_classes_add_up_to_the_total(
        input in 0..1_000_000, output in 0..1_000_000, read in 0..1_000_000,
        five in 0..1_000_000, hour in 0..1_000_000, detailed: bool,
    ) {
        let details = [("1h", hour), ("5m", five)];
        let details: &[_] = if detailed { &details } else { &[] };
        let write = five + hour;
        let counts = token_counts(&usage([Some(input), Some(output), Some(read), Some(write)], details));
        let sum = counts.input + counts.cache_read + counts.cache_write_5m + counts.cache_write_1h + counts.output;
        prop_assert_eq!(sum, i64::from(input + output + read + write));
        if detailed {
            prop_assert_eq!((counts.cache_write_5m, counts.cache_write_1h), (i64::from(five), i64::from(hour)));
        }
    }
}
