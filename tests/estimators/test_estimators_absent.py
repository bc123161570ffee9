"""fastnn where scikit-learn is absent, or too old: all but the estimators works, and they say what to install."""

import subprocess
import sys
import textwrap

import pytest


def outcome(code):
    """What Python does with the code, elsewhere than in the source tree."""
    return subprocess.run([sys.executable, "-P", "-c", textwrap.dedent(code)], capture_output=True, text=True)


@pytest.mark.parametrize("how", ["fastnn.MLPClassifier", "fastnn.MLPRegressor", "fastnn.from_sklearn"])
@pytest.mark.parametrize("absent", ["sys.modules['sklearn'] = None",
                                    "import sklearn.utils.validation as v; del v.validate_data"], ids=["none", "old"])
def test_without_scikit_learn_the_rest_works(how, absent):
    if "del" in absent:
        pytest.importorskip("sklearn")
    result = outcome(f"""
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


def test_fastnn_alone_does_not_load_scikit_learn():
    pytest.importorskip("sklearn")
    result = outcome("""
        import sys, fastnn
        fastnn.Network([2, 1], output="sigmoid")
        print("sklearn" in sys.modules)
        from fastnn import MLPClassifier, MLPRegressor, from_sklearn
        print("sklearn" in sys.modules)
        """)
    assert result.stdout.split() == ["False", "True"], result.stderr
