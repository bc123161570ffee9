"""Without scikit-learn, or with an old one, everything except the estimators works; they say what to install."""

import subprocess
import sys
import textwrap

import pytest


def run_python(code):
    """Run code in a new interpreter that does not import from the source tree."""
    return subprocess.run([sys.executable, "-P", "-c", textwrap.dedent(code)], capture_output=True, text=True)


@pytest.mark.parametrize("how", ["fastnn.MLPClassifier", "fastnn.MLPRegressor", "fastnn.from_sklearn"])
@pytest.mark.parametrize("absent", ["sys.modules['sklearn'] = None",
                                    "import sklearn.utils.validation as v; del v.validate_data"], ids=["none", "old"])
def test_missing_or_old_scikit_learn_only_disables_the_estimators(how, absent):
    if "del" in absent:
        pytest.importorskip("sklearn")
    result = run_python(f"""
        import sys
        {absent}
        import fastnn
        fastnn.Network([2, 1], output="sigmoid")
        try:
            {how}
        except ImportError as error:
            print(error)
        """)
    assert result.stdout.strip() == ("fastnn's MLPClassifier and MLPRegressor need scikit-learn 1.6 or newer: "
                                     "pip install 'fastnn[sklearn]'"), result.stderr


def test_importing_fastnn_does_not_import_scikit_learn():
    pytest.importorskip("sklearn")
    result = run_python("""
        import sys, fastnn
        fastnn.Network([2, 1], output="sigmoid")
        print("sklearn" in sys.modules)
        from fastnn import MLPClassifier, MLPRegressor, from_sklearn
        print("sklearn" in sys.modules)
        """)
    assert result.stdout.split() == ["False", "True"], result.stderr
