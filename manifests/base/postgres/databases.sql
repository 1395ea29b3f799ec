-- MLflow has a user and a database of its own: its server, which takes requests from many, can't read or change the ledger.
\getenv password MLFLOW_PASSWORD
CREATE USER mlflow PASSWORD :'password';
CREATE DATABASE mlflow OWNER mlflow;
REVOKE CONNECT ON DATABASE journey FROM PUBLIC;
REVOKE CONNECT ON DATABASE mlflow FROM PUBLIC;
