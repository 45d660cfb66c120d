"""Judges the emulator's STS with unmodified boto3: python3 emulator_roles_boto3.py URL."""

import datetime

import boto3
import botocore.exceptions
from botocore.config import Config

from checks import check, run
from emulator import URL, http

NOVA = "us.amazon.nova-pro-v1:0"
ROLE = "arn:aws:iam::123456789012:role/team/reader"


def at_emulator(service, key, secret, token=None):
    return boto3.client(
        service,
        region_name="us-east-1",
        endpoint_url=URL,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=Config(retries={"total_max_attempts": 1}, read_timeout=10),
    )


sts = at_emulator("sts", "AKIDEXAMPLE", "secret")


def assumed(**more):
    return sts.assume_role(RoleArn=ROLE, RoleSessionName="boto3", **more)


def converse(credentials):
    names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
    client = at_emulator("bedrock-runtime", *(credentials[name] for name in names))
    return client.converse(modelId=NOVA, messages=[{"role": "user", "content": [{"text": "hi"}]}])


def refused(code, call, *arguments, **members):
    try:
        call(*arguments, **members)
    except botocore.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == code, error
        return error.response
    raise AssertionError(f"no {code}")


@check
def a_role_is_assumed_and_signs_calls():
    answer = assumed(DurationSeconds=900)
    assert answer["AssumedRoleUser"]["Arn"] == "arn:aws:sts::123456789012:assumed-role/reader/boto3", answer
    credentials = answer["Credentials"]
    left = credentials["Expiration"] - datetime.datetime.now(datetime.timezone.utc)
    assert 890 <= left.total_seconds() <= 900, left
    assert answer["ResponseMetadata"]["RequestId"]
    assert assumed()["Credentials"]["AccessKeyId"] == credentials["AccessKeyId"]
    converse(credentials)
    call = http("GET", "/_emulator/calls")["calls"][-1]
    assert call["accessKeyId"] == credentials["AccessKeyId"], call
    role = http("GET", "/_emulator/roles")["roles"][0]
    assert (role["roleArn"], role["signedBy"]) == (ROLE, "AKIDEXAMPLE"), role


@check
def a_refused_key_and_an_expired_session_are_told():
    credentials = assumed()["Credentials"]
    key = credentials["AccessKeyId"]
    http("POST", "/_emulator/keys", {"refuse": [key]})
    assert refused("ExpiredTokenException", converse, credentials)["ResponseMetadata"]["HTTPStatusCode"] == 403
    http("POST", "/_emulator/keys", {"accept": [key]})
    converse(credentials)
    http("POST", "/_emulator/sessions", {"lifetimeMs": 0})
    refused("ExpiredTokenException", converse, assumed()["Credentials"])
    http("POST", "/_emulator/sessions", {})
    converse(assumed()["Credentials"])


@check
def mistakes_are_errors_of_sts():
    refused("ValidationError", sts.assume_role, RoleArn="arn:aws:iam::1:role/reader", RoleSessionName="boto3")
    refused("InvalidAction", sts.get_caller_identity)


run()
