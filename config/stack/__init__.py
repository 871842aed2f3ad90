"""The whole product on one machine: packages, embedded servers, a supervisor. Imports no Django and no room of ours."""
